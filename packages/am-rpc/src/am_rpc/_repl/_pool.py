"""The connections of the REPL: one client per address, each with a life of its own."""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from .._client.client import Client
from .._client.listing import list_machines
from .._errors import NoMachine, RpcError
from .._options import Retry
from .._reason import HINT
from .._wire.messages import ArgsRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Mapping

    import am_machine as am

    from .._client.network_machine import NetworkMachine
    from .._wire.catalog_messages import MachineInfo
    from .._wire.keys import ClientSecrets

logger: Final = logging.getLogger("am_rpc")
_UNDER_WAY: Final = ("Connecting", "Connected")
# Seconds between two looks at which machines an address has.
LIST_EVERY: Final = 2.0
# Machines of one address that are being connected at once: a server shakes few hands at a time.
_AT_ONCE: Final = 16
# Somebody looks on: try again soon, and go on for a day.
RETRY: Final = Retry(
    connect_delay=0.5, connect_max_delay=5.0, connect_tries=20_000, connect_total=86_400.0
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach machines: TLS, a shared secret, and which of those that an address has.

    Without `machines` it is all that it tells of. The args classes of `schema` type the args that
    are sent, to machines that have all its states.
    """

    ssl_context: ssl.SSLContext | None = None
    secret: ClientSecrets | None = None
    machines: tuple[str, ...] = ()
    schema: am.Schema | None = None


class Peer:
    """One machine at an address: connecting, connected, or lost.

    `machine` is its id where the address has several.
    """

    def __init__(
        self, addr: str, access: Access, log_level: am.LogLevel, machine: str | None = None
    ) -> None:
        self.addr = addr
        self.machine = machine
        self.client = Client(
            addr,
            access.schema,
            machine=machine,
            retry=RETRY,
            ssl_context=access.ssl_context,
            secret=access.secret,
        )
        self.client.mach.log_level = log_level
        self.scope = trio.CancelScope()
        self._tried = trio.Event()
        # Args that the source's states declare, for completion; fetched on each connection.
        self.args: Mapping[str, tuple[str, ...]] = {}

    @property
    def was_tried(self) -> bool:
        """Tell whether there was a connection, or a failure to make one."""
        return self._tried.is_set()

    def note_tried(self) -> None:
        """There was a connection, or a failure to make one."""
        self._tried.set()

    async def wait_tried(self) -> None:
        """Wait for the first connection, or failure."""
        await self._tried.wait()

    @property
    def net(self) -> NetworkMachine | None:
        """The replica, once there was a connection."""
        return None if self.client.boot is None else self.client.net

    @property
    def is_connected(self) -> bool:
        """Tell whether the replica is live."""
        return self.client.mach.is_("Ready")

    @property
    def id(self) -> str:
        """Id of the machine at the other end; empty until it was heard of."""
        net = self.net
        return self.machine or "" if net is None else net.remote_id

    @property
    def parent(self) -> str:
        """Id of that machine's parent; empty if it has none."""
        net = self.net
        return "" if net is None else net.remote_parent or ""

    @property
    def status(self) -> str:
        """`connected`, `connecting` or `disconnected`; pauses between attempts are the latter."""
        if self.is_connected:
            return "connected"
        return "connecting" if self.client.mach.any_(*_UNDER_WAY) else "disconnected"

    @property
    def error(self) -> RpcError | None:
        """Why there is no connection, once an attempt has failed."""
        return None if self.is_connected else self.client.last_error

    @property
    def why_not_connected(self) -> str:
        """The same in words; before the first failure what is known so far."""
        if self.error is not None:
            return str(self.error)
        return f"no answer yet; {HINT}" if self.client.mach.is_("Connected") else "no answer yet"

    async def fetch_args(self) -> None:
        """Ask which args the states declare; without an answer none are known."""
        try:
            self.args = await self.client.call(ArgsRequest())
        except RpcError as error:
            logger.info("%s: args: %s", self.client.mach.id, error)


@dataclass(eq=False, slots=True)
class _Place:
    """An address: one machine, or several that are followed as they come and go."""

    addr: str
    # By machine id; None stands for the only one.
    peers: dict[str | None, Peer] = field(default_factory=dict)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    # Set while it is not known yet which machines it has.
    is_listing: bool = False
    gate: trio.CapacityLimiter = field(default_factory=lambda: trio.CapacityLimiter(_AT_ONCE))

    def end(self) -> None:
        self.scope.cancel()
        for peer in self.peers.values():
            peer.scope.cancel()


class Pool:
    """All peers of a REPL, in the order of their addresses, and there of their ids.

    `mach` is told of each connection by `RpcConn` and of each failure by `RpcDisconn`, and that
    machines came or went by `changed`; its tasks hold the connections. With `follow` addresses with
    several machines are asked again and again for new ones.
    """

    def __init__(
        self,
        mach: am.Machine,
        access: Access,
        *,
        follow: bool = False,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.mach = mach
        self.access = access
        self._follow = follow
        self._changed = changed
        self._places: dict[str, _Place] = {}
        self._peers: tuple[Peer, ...] = ()

    @property
    def peers(self) -> tuple[Peer, ...]:
        """All peers; may be read from any thread."""
        return self._peers

    @property
    def connected(self) -> tuple[Peer, ...]:
        """The peers whose replica is live."""
        return tuple(peer for peer in self.peers if peer.is_connected)

    @property
    def is_settled(self) -> bool:
        """Tell whether every machine was tried."""
        listing = any(place.is_listing for place in self._places.values())
        return not listing and all(peer.was_tried for peer in self.peers)

    def update(self, addrs: tuple[str, ...]) -> tuple[str, ...]:
        """Connect new addresses, leave known ones alone, drop the others and return them."""
        gone = tuple(addr for addr in self._places if addr not in addrs)
        for addr in gone:
            self._places[addr].end()
        known = self._places
        self._places = {addr: known.get(addr) or self._enter(addr) for addr in addrs}
        self._gather()
        return gone

    def reconnect(self) -> None:
        """Try every lost machine anew, at once."""
        for place in self._places.values():
            for machine, peer in tuple(place.peers.items()):
                if not peer.is_connected:
                    peer.scope.cancel()
                    self._open(place, machine)
        self._gather()

    def _gather(self) -> None:
        # One assignment, since completion reads in another thread.
        self._peers = tuple(
            peer for place in self._places.values() for peer in place.peers.values()
        )

    def _enter(self, addr: str) -> _Place:
        place = _Place(addr)
        for machine in self.access.machines or (None,):
            self._open(place, machine)
        return place

    def _open(self, place: _Place, machine: str | None) -> None:
        peer = Peer(place.addr, self.access, self.mach.log_level, machine)
        peer.client.mach.bind(
            {
                "ReadyState": partial(self._on_ready, peer),
                "ReadyEnd": partial(self._on_lost, peer),
                "RetryingConnState": partial(self._on_failed, peer),
                "ConnRetryFailedState": partial(self._on_failed, peer),
            }
        )
        place.peers[machine] = peer
        self.mach.fork(self._hold, place, peer)

    @staticmethod
    async def _hold(place: _Place, peer: Peer) -> None:
        with peer.scope:
            async with AsyncExitStack() as stack:
                async with place.gate:
                    await stack.enter_async_context(peer.client)
                    await peer.wait_tried()
                await trio.sleep_forever()

    def _on_ready(self, peer: Peer, event: am.Event) -> None:
        peer.note_tried()
        if self._is_current(peer):
            self.mach.add("RpcConn", addr=peer.addr, id=peer.id)
            self.mach.fork(peer.fetch_args)

    def _on_failed(self, peer: Peer, event: am.Event) -> None:
        place = self._places.get(peer.addr)
        if isinstance(peer.client.last_error, NoMachine) and peer.machine is None and place:
            peer.note_tried()
            if not place.is_listing and self._is_current(peer):
                place.is_listing = True
                self.mach.fork(self._follow_list, place, peer)
        # Told once; the attempts after that are of no news.
        elif not peer.was_tried:
            self._on_lost(peer, event)

    def _on_lost(self, peer: Peer, event: am.Event) -> None:
        peer.note_tried()
        if self._is_current(peer):
            self.mach.add("RpcDisconn", addr=peer.addr, id=peer.id, err=peer.client.last_error)

    def _is_current(self, peer: Peer) -> bool:
        place = self._places.get(peer.addr)
        known = None if place is None else place.peers.get(peer.machine)
        return known is peer and not self.mach.disposed

    # Addresses with several machines.

    async def _follow_list(self, place: _Place, door: Peer) -> None:
        """Connect the machines of an address, those that come later, too; drop what went."""
        with place.scope:
            while True:
                try:
                    found = await self._list(place)
                except RpcError as error:
                    logger.info("%s: machines: %s", place.addr, error)
                else:
                    self._take(place, [machine.id for machine in found], door)
                place.is_listing = False
                self._changed()
                if not self._follow:
                    return
                await trio.sleep(LIST_EVERY)

    async def _list(self, place: _Place) -> tuple[MachineInfo, ...]:
        live = next((peer for peer in place.peers.values() if peer.is_connected), None)
        if live is not None:
            return await live.client.machines()
        access = self.access
        return await list_machines(place.addr, ssl_context=access.ssl_context, secret=access.secret)

    def _take(self, place: _Place, ids: list[str], door: Peer) -> None:
        """Make the peers of a place those with these ids; without any the door tells why."""
        if not ids and None in place.peers:
            return
        for machine in [known for known in place.peers if known not in ids]:
            gone = place.peers.pop(machine)
            gone.scope.cancel()
            if gone is not door:
                self.mach.add("RpcDisconn", addr=gone.addr, id=gone.id, err=None)
        for machine_id in ids:
            if machine_id not in place.peers:
                self._open(place, machine_id)
        place.peers = {machine_id: place.peers[machine_id] for machine_id in ids}
        self._gather()
