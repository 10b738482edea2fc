"""What stands between the hub and one debugger: entries into the outbox, and the outbox out."""

from __future__ import annotations

import os
import socket
import sys
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

import am_machine as am

from ..__about__ import __version__
from .._env import LOGGER
from .._hub import SHARE, Consumer, StreamStats
from . import messages as m
from .detail import LineTracer, stack
from .encode import schema_def
from .feed import Feed, now, pending_message
from .outbox import Outbox
from .sender import Peer, Phase, Sender

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from .._hub import Batch, Hub, MachineLink
    from .addresses import Address
    from .items import Track

GRACE = 0.04
"""Seconds that closing gives a debugger which does not answer the phone yet."""
_LONGEST_WAIT = 30.0
"""Seconds that a machine is held back for room, where nothing may be lost."""
IDLE_SHARE = 0.01
"""Of a processor, spent on entries for a debugger that is absent or stalled."""
LIB = f"am-telemetry {__version__}"
MACHINE_LIB = f"am-machine {am.__version__}"


class Settings(NamedTuple):
    """How to stream."""

    addresses: Callable[[], Sequence[Address]]
    secret: bytes | None = None
    tls: ssl.SSLContext | None = None
    detail: int = 1
    buffer: int = 20_000
    stacks: bool = True


def new_process() -> m.Process:
    """This process, under a new id."""
    return m.Process(
        id=os.urandom(8).hex(),
        pid=os.getpid(),
        host=socket.gethostname()[:255],
        argv0=(sys.argv[0] if sys.argv else "")[: m.MAX_ID],
        lib=LIB,
        time=now(),
    )


def mach_of(track: Track, schema: m.SchemaDef) -> m.Mach:
    """A machine as it is before the next entry that is sent of it."""
    link, place = track.link, track.cursor
    clock = place.clock + [0] * (len(schema.names) - len(place.clock))
    pipes = [
        m.PipeDef(pipe.direction, pipe.kind, str(pipe.state), pipe.machine_id[: m.MAX_ID])
        for pipe in link.pipes[: m.MAX_ARRAY]
    ]
    return m.Mach(
        h=track.h,
        id=link.id[: m.MAX_ID],
        parent=None if link.parent_id is None else link.parent_id[: m.MAX_ID],
        tags=tuple([tag[: m.MAX_ID] for tag in link.tags[: m.MAX_ARRAY]]),
        hash=schema.hash,
        handlers=place.handlers[: m.MAX_ARRAY],
        time=tuple(clock),
        queue_tick=max(link.queue_tick, 0),
        pipes=tuple(pipes),
        lib=MACHINE_LIB,
    )


class StreamConsumer(Consumer, Peer):
    """Feeds one outbox and drives one sender. Its lock is held for a batch, a look, a turn."""

    def __init__(self, hub: Hub, settings: Settings) -> None:
        self.process = new_process()
        self._hub = hub
        self._settings = settings
        self._lock = threading.RLock()
        self._schemas: WeakKeyDictionary[am.Schema, m.SchemaDef] = WeakKeyDictionary()
        self._told: set[str] = set()
        self._begin()

    def _begin(self) -> None:
        settings = self._settings
        self._outbox = Outbox(settings.buffer)
        self._feed = Feed(self._outbox, stacks=settings.stacks)
        self._sender = Sender(
            self._outbox,
            self,
            settings.addresses,
            watch=self._watch,
            secret=settings.secret,
            tls=settings.tls,
        )
        # Machines with their clock at binding, which the hub's thread has not seen yet.
        self._came: deque[tuple[MachineLink, tuple[int, ...]]] = deque()
        self._links: dict[int, MachineLink] = {}
        # Levels that the debugger asked for; by number of the machine.
        self._levels: dict[int, int] = {}
        # Machines at level 2.
        self._details: dict[int, LineTracer] = {}
        self._warnings: deque[str] = deque()
        self._waiters: list[threading.Event] = []

    @property
    def stats(self) -> StreamStats:
        """The numbers of now. In any thread."""
        with self._lock:
            outbox, sender = self._outbox, self._sender
            return StreamStats(
                outbox.produced,
                outbox.acked,
                outbox.dropped,
                outbox.buffered,
                sender.bytes_sent,
                sender.is_live,
            )

    @property
    def share(self) -> float:
        """Little while nobody takes what is sent, for most of it will be dropped."""
        return IDLE_SHARE if self._sender.is_idle else SHARE

    def _watch(self, sock: Any, events: int, fn: Callable[[int], object] | None) -> None:
        self._hub.watch(sock, events, None if fn is None else self._ready)

    def _ready(self, events: int) -> None:
        with self._lock:
            self._sender.ready(events)
            self._settle()

    # ------------------------------------------------------------------ told by the hub

    def bound(self, link: MachineLink) -> None:
        """A machine came; in its own thread."""
        machine = link.machine
        if machine is None:
            return
        self._came.append((link, tuple(machine.time())))
        if self._settings.detail == 2:
            self._raise_detail(link, machine)

    def _meet(self) -> None:
        """Machines that came meanwhile are told at once."""
        while self._came:
            link, clock = self._came.popleft()
            self._links[link.number] = link
            self._sender.introduce(self._outbox.track(link, clock))

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        with self._lock:
            self._meet()
            feed, tracks, details = self._feed, self._outbox.tracks, self._details
            mute = self._settings.detail == 0
            for link, entries in batch:
                number = link.number
                track = tracks.get(number)
                if track is not None and not self._is_mute(number, mute):
                    feed.entries(track, entries, is_detailed=number in details)
            if self._outbox.unsent >= m.MAX_BATCH:
                self._sender.fill()

    def _is_mute(self, number: int, mute: bool) -> bool:
        return (mute or bool(self._levels)) and self._levels.get(number, 0 if mute else 1) == 0

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        """Entries never came here."""
        with self._lock:
            self._meet()
            track = self._outbox.tracks.get(link.number)
            if track is not None:
                self._feed.lost(track, count, at)

    def schema_changed(self, link: MachineLink) -> None:
        """Told at once: states that were there keep their places."""
        self._introduce(link)

    def handlers_changed(self, link: MachineLink) -> None:
        """In its place among the entries, since steps are worked out by it."""
        with self._lock:
            self._meet()
            track = self._outbox.tracks.get(link.number)
            if track is not None and link.handlers != track.tail_handlers:
                self._outbox.rebind(track, link.handlers)

    def pipes_changed(self, link: MachineLink) -> None:
        """Told at once."""
        self._introduce(link)

    def _introduce(self, link: MachineLink) -> None:
        with self._lock:
            self._meet()
            track = self._outbox.tracks.get(link.number)
            if track is not None:
                self._sender.introduce(track)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine went."""
        with self._lock:
            self._meet()
            number = link.number
            track = self._outbox.tracks.get(number)
            if track is not None:
                self._feed.end(track, at)
            self._lower_detail(link)
            self._links.pop(number, None)
            self._levels.pop(number, None)
            self._sender.fill()

    def tick(self, at: float) -> None:
        """Send what there is."""
        with self._lock:
            self._meet()
            self._sender.is_awaited = bool(self._waiters)
            self._sender.tick(at)
            self._settle()
        self._warn_now()

    def flush(self, deadline: float) -> None:
        """Send what there is, wait until it is taken, and let go."""
        with self._lock:
            self._meet()
            self._push(deadline)
            self._feed.settle()
            self._outbox.drop_all()
            self._sender.close()
            self._settle()
        self._warn_now()

    def _push(self, deadline: float) -> None:
        """Drive the sender until all is acknowledged, in the thread that closes."""
        sender, outbox = self._sender, self._outbox
        if not (outbox.buffered or outbox.tracks):
            return
        grace = min(deadline, monotonic() + GRACE)
        sender.try_now()
        while outbox.buffered or sender.pending or not sender.is_live:
            wait_until = deadline if sender.is_reached else grace
            left = wait_until - monotonic()
            if left <= 0 or sender.phase is Phase.OVER or sender.phase is Phase.PAUSED:
                break
            sender.wait(min(left, GRACE))
            sender.tick(monotonic())

    def forked(self) -> None:
        """Another process: nothing of the old one's is sent from here."""
        self._sender.abandon()
        self._lock = threading.RLock()
        self.process = new_process()
        for waiter in self._waiters:
            waiter.set()
        for number in list(self._details):
            link = self._links.get(number)
            if link is not None:
                self._lower_detail(link)
        self._begin()

    # ------------------------------------------------------------------ told by the debugger

    def hello(self) -> m.Hello:
        """Who this is."""
        caps = ("detail", "stack") if self._settings.stacks else ("detail",)
        return m.Hello(m.VERSION, self.process, caps)

    def mach(self, track: Track) -> tuple[m.SchemaDef, m.Mach]:
        """A machine and its schema as they travel."""
        schema = track.link.schema
        found = self._schemas.get(schema)
        if found is None:
            found = self._schemas[schema] = schema_def(schema)
        return found, mach_of(track, found)

    def disconnected(self) -> None:
        """What the debugger asked for was for itself."""
        asked, self._levels = self._levels, {}
        for number in asked:
            self._apply_level(number, self._settings.detail)

    def told(self, message: m.Message) -> None:
        """It wants another level, or to know something."""
        self._hub.guarded(self._answer, message)

    def _answer(self, message: m.Message) -> None:
        if isinstance(message, m.Detail) and message.h in self._links:
            self._levels[message.h] = message.level
            self._apply_level(message.h, message.level)
        elif isinstance(message, m.Ask) and message.what == "pending":
            link = self._links.get(message.h)
            machine = link.machine if link is not None else None
            if machine is not None:
                self._sender.answer(pending_message(message.h, machine.pending()))
        elif isinstance(message, m.Fault):
            self.warn(f"the debugger refuses: {message.error[:200]}")

    def _apply_level(self, number: int, level: int) -> None:
        link = self._links.get(number)
        if link is None:
            return
        if level == 2 and number not in self._details:
            link.ask(lambda machine: self._raise_detail(link, machine))
        elif level < 2:
            self._lower_detail(link)
        if level == 0:
            track = self._outbox.tracks.get(number)
            if track is not None:
                # What it does until it is wanted again is no loss, but a gap.
                self._feed.lost(track, 0, now())

    def _raise_detail(self, link: MachineLink, machine: am.BaseMachine) -> None:
        """Begin with level 2; on the machine's stack."""
        if link.number in self._details:
            return

        def logged(at: int, level: int, text: str) -> None:
            self._sender.later(m.Log(link.number, at, level, text[: m.MAX_LINE]))

        tracer = self._details[link.number] = LineTracer(logged)
        link.detail(self, stack if self._settings.stacks else None)
        machine.bind_tracer(tracer)

    def _lower_detail(self, link: MachineLink) -> None:
        """End with level 2, if it was."""
        tracer = self._details.pop(link.number, None)
        if tracer is not None:
            link.undetail(self)
            link.ask(_detaching(tracer))

    def warn(self, text: str) -> None:
        """Once for each text."""
        self._warnings.append(text)

    def _warn_now(self) -> None:
        # Outside of the lock: whoever handles log records may want our numbers.
        while self._warnings:
            text = self._warnings.popleft()
            if text not in self._told and len(self._told) < 100:
                self._told.add(text)
                LOGGER.warning("debugger stream: %s", text)

    # ------------------------------------------------------------------ waiting

    def wait_empty(self, seconds: float) -> bool:
        """Wait until the debugger has taken everything. Not in the hub's thread."""
        waiter = threading.Event()
        with self._lock:
            self._waiters.append(waiter)
        self._hub.wake()
        waiter.wait(seconds)
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            return not self._outbox.buffered

    def wait_room(self) -> None:
        """Wait until half of the buffer is free, half a minute at most: without a debugger
        nothing would ever end. Not in the hub's thread."""
        until = monotonic() + _LONGEST_WAIT
        while self._outbox.buffered > self._settings.buffer // 2 and monotonic() < until:
            self.wait_empty(0.01)

    def _settle(self) -> None:
        if self._waiters and not self._outbox.buffered:
            for waiter in self._waiters:
                waiter.set()
            self._waiters.clear()


def _detaching(tracer: am.Tracer) -> Callable[[am.BaseMachine], None]:
    def detach(machine: am.BaseMachine) -> None:
        machine.detach_tracer(tracer)

    return detach
