"""What moves a topic: one task that hands the core what happens, and carries out what it wants."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import trio

from am_rpc.wire import schema_to_wire

from .._errors import JoinError, ListenError
from .._gossip.output import EventKind
from .._transports.base import Arrived, DialFailed, Dropped, LinkDown, LinkEvent, LinkUp

if TYPE_CHECKING:
    import am_machine as am

    from .._gossip.core import Core
    from .._gossip.output import Event
    from .._transports.base import Channel, Transport
    from .exposed import Exposed
    from .topic import Topic

_AT_ONCE = 64
"""Things that are taken from the inbox before others get a turn."""


class Runner:
    """Handlers of the topic's machine: `Start` runs it."""

    def __init__(self, topic: Topic, core: Core, transport: Transport) -> None:
        self._topic = topic
        self._mach = topic.mach
        self.core = core
        self.listening = trio.Event()
        self._transport = transport
        self.ended = trio.Event()
        self.failure: Exception | None = None
        self._is_stopping = False
        self._refusals: dict[str, None] = {}
        self._channel: Channel | None = None
        self._own: Exposed | None = None
        self._told_addresses: tuple[str, ...] = ()
        self._inbox, self._events = trio.open_memory_channel[LinkEvent | None](math.inf)
        self._is_awake = False
        self._dirty: dict[int, Exposed] = {}
        self._rejects: Counter[str] = Counter()
        self._rejected: dict[str, None] = {}
        self._next_reject = 0.0

    # -- what the topic's other parts say

    def wake(self) -> None:
        """Let the task look at what there is to do."""
        if not self._is_awake:
            self._is_awake = True
            self._inbox.send_nowait(None)

    def tell(self, exposed: Exposed) -> None:
        """Tell what a machine is, from now on.

        :raises ValueError: if it is too large to be told of.
        """
        schema = self.core.add_schema(schema_to_wire(exposed.machine.schema))
        addrs: tuple[str, ...] = ()
        if exposed.index == 0:
            self._own = exposed
            addrs = self._told_addresses = self.addresses
        info = exposed.info(schema, addrs)
        self.core.expose(exposed.index, info, exposed.vector(), trio.current_time())
        self.wake()

    def _tell_where(self) -> None:
        """Tell the addresses of this peer anew if they are others: a link may be what shows them.

        Before the link is used: what a machine is is told once in an epoch.
        """
        if self._own is not None and self.addresses != self._told_addresses:
            self.tell(self._own)

    def moved(self, exposed: Exposed) -> None:
        """Tell where a machine stands, once the task runs."""
        self._dirty[exposed.index] = exposed
        self.wake()

    def withdraw(self, exposed: Exposed) -> None:
        """Tell that a machine is gone."""
        self._dirty.pop(exposed.index, None)
        self.core.unexpose(exposed.index, trio.current_time())
        self.wake()

    # -- handlers

    def StartState(self, event: am.Event) -> None:
        """Run the topic. Its task is not that of Start: that would be cancelled with it, and a
        goodbye needs a moment."""
        self._mach.fork(self._run)

    def StartEnd(self, event: am.Event) -> None:
        """Say goodbye, soon."""
        self.stop()

    def LeavingState(self, event: am.Event) -> None:
        """Say goodbye, soon; then Start ends."""
        self.stop()

    def stop(self) -> None:
        """Let the task end."""
        self._is_stopping = True
        self.wake()

    async def _run(self) -> None:
        try:
            async with self._transport.join(self._topic.name, self._inbox) as channel:
                self._channel = channel
                self._mach.add("Connected")
                self._mach.add("Joining")
                self.listening.set()
                while not self._is_stopping:
                    await self._turn(channel)
                self.core.leave(trio.current_time())
                self._carry_out(channel)
            self._mach.remove("Start")
        except (ListenError, ValueError, OSError) as error:
            self.failure = error
            self._mach.add_err("ErrListening", error)
        finally:
            self.listening.set()
            self.ended.set()

    async def _turn(self, channel: Channel) -> None:
        """Take what happened, or what is due."""
        with trio.move_on_at(self.core.next_due()):
            self._take(await self._events.receive())
            for _ in range(_AT_ONCE):
                try:
                    self._take(self._events.receive_nowait())
                except trio.WouldBlock:
                    break
        now = trio.current_time()
        dirty, self._dirty = self._dirty, {}
        for exposed in dirty.values():
            self.core.changed(exposed.index, exposed.vector(), now)
        if self.core.next_due() <= now:
            self.core.advance(now)
        self._carry_out(channel)

    def _take(self, event: LinkEvent | None) -> None:
        now = trio.current_time()
        match event:
            case None:
                self._is_awake = False
            case Arrived():
                self.core.received(event.link, event.data, now)
            case LinkUp():
                self._tell_where()
                self.core.link_up(event.link, event.address, now)
            case LinkDown():
                self.core.link_down(event.link, now)
            case DialFailed():
                self.core.dial_failed(event.address, now)
                if event.is_refusal:
                    self._refused(f"{event.address}: {event.reason}")
            case Dropped():
                self.core.output.counts[f"dropped.{event.reason}"] += 1

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where other peers can dial this one."""
        return self._channel.addresses if self._channel is not None else ()

    def _carry_out(self, channel: Channel) -> None:
        output = self.core.output
        sends, output.sends = output.sends, []
        for link, data in sends:
            channel.send(link, data)
        closes, output.closes = output.closes, []
        for link, _ in closes:
            channel.close(link)
        dials, output.dials = output.dials, []
        for address in dials:
            channel.dial(address)
        events, output.events = output.events, []
        for event in events:
            self._happened(event)
        self._tell_rejects()

    def _happened(self, event: Event) -> None:
        """Tell the user by the machine's states."""
        mach, peer = self._mach, event.peer.hex()
        key = (event.peer, event.index)
        match event.kind:
            case EventKind.JOINED:
                mach.add("Joined")
            case EventKind.PEER_JOINED:
                mach.add("PeerJoined", peer_id=peer)
            case EventKind.PEER_LOST:
                mach.add("PeerLost", peer_id=peer)
            case EventKind.ADDED:
                self._topic.record_moved(key)
                mach.add("MachAdded", peer_id=peer, index=event.index, mach_id=self._id(event))
            case EventKind.REMOVED:
                self._topic.record_replaced(key)
                self._topic.record_moved(key)
                mach.add("MachRemoved", peer_id=peer, index=event.index, mach_id=self._id(event))
            case EventKind.CHANGED:
                if event.index:
                    self._topic.record_moved(key)
            case EventKind.RECEIVED:
                mach.add("MsgReceived", from_id=peer, data=event.data)
            case EventKind.REJECTED:
                self._rejects[event.reason] += 1
                self._rejected[peer] = None
            case EventKind.REFUSED:
                self._refused(event.reason)
            case EventKind.SYNCING:
                mach.add("Syncing")
            case EventKind.SYNCED:
                mach.remove("Syncing")

    def _refused(self, reason: str) -> None:
        """Tell why somebody who is there is not seen: each reason once."""
        if reason not in self._refusals:
            self._refusals[reason] = None
            self._mach.add_err("ErrJoining", JoinError(reason))

    def _id(self, event: Event) -> str:
        record = self.core.table.get((event.peer, event.index))
        info = record.info if record is not None else None
        return info.id if info is not None else ""

    def _tell_rejects(self) -> None:
        """Tell of bad input, at most once a second."""
        now = trio.current_time()
        if self._rejects and now >= self._next_reject:
            counts, self._rejects = dict(self._rejects), Counter()
            self._next_reject = now + 1.0
            from_ids, self._rejected = tuple(self._rejected), {}
            self._mach.add("MsgRejected", counts=counts, from_ids=from_ids)
