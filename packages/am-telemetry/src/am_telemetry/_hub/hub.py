"""The hub: one thread per process that reads what machines did and feeds all who listen.

It is an ordinary thread, no daemon: at the end of the program it is waited for, tells what is left
within a second, and ends. It ends as well when nothing is bound any more, and begins again with
the next binding.
"""

from __future__ import annotations

import os
import threading
from time import monotonic, thread_time, time_ns
from typing import TYPE_CHECKING, Any

from .consumer import SHARE
from .drain import Drain
from .duty import Duty
from .ending import ENDING
from .guard import Guard
from .poller import Poller
from .registry import Event, Handle, Registry
from .stats import Streams
from .wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .consumer import Consumer
    from .link import HubJournal

INTERVAL = 0.05
"""Seconds between two readings while machines are busy."""
POLL = 0.025
"""Seconds between two looks while nothing happens: at timers, and whether the program ended, which
nothing announces before the thread would have to be over."""
LINGER = 0.25
"""Seconds that the thread stays after the last machine went."""
LAST = 1.0
"""Seconds that all closing may take, and the end of the program less."""
HURRY = 8
"""Journals that call with so many batches waiting are read at once."""


class _Request:
    """Something another thread waits for: that all is told, or a consumer closed."""

    def __init__(self, consumer: Consumer | None, deadline: float) -> None:
        self.consumer = consumer
        self.deadline = deadline
        self.done = threading.Event()
        self.is_complete = False


class Hub:
    """See the module. `Hub.of_process()` is the one that everything shares."""

    _shared: Hub | None = None

    def __init__(self) -> None:
        self.guard = Guard()
        self.wishes = Wishes(self.guard)
        self.streams = Streams()
        self.registry = Registry(self)
        self.duty = Duty()
        self._drain = Drain(self.guard)
        self._lock = threading.Lock()
        self._consumers: dict[Consumer, None] = {}
        self._requests: list[_Request] = []
        self._thread: threading.Thread | None = None
        self._is_over = False
        self._poller: Poller | None = None
        # Calls that return once there is room for more entries.
        self._held_back: dict[Consumer, Callable[[], object]] = {}
        _hubs.append(self)

    @classmethod
    def of_process(cls) -> Hub:
        """The hub of this process."""
        if cls._shared is None:
            cls._shared = cls()
        return cls._shared

    @property
    def errors(self) -> int:
        """How many exceptions of telemetry were caught."""
        return self.guard.errors

    def hold_back(self, consumer: Consumer, wait: Callable[[], object]) -> None:
        """Have machines wait instead of losing entries: `wait` returns once there is room."""
        self._held_back[consumer] = wait

    # ------------------------------------------------------------------ for everybody

    def attach(self, consumer: Consumer, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Feed a consumer with a machine, its living children, and those to come. Bound already:
        the handle that there is.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it is no machine of this process's memory, such as a stand-in.
        """
        local: Any = machine
        if not hasattr(local, "bind_tracer"):
            raise TypeError(f"{machine!r:.100} takes no tracers")
        if self._is_over:
            return Handle(local.id, lambda handle: None)
        with self._lock:
            self._consumers[consumer] = None
        handle = self.registry.attach(consumer, local)
        self.start()
        return handle

    def close(self, consumer: Consumer, seconds: float = LAST) -> None:
        """Detach a consumer from all machines and flush it, which may take so many seconds."""
        self._ask_thread(consumer, seconds)
        with self._lock:
            self._consumers.pop(consumer, None)
            self._held_back.pop(consumer, None)

    def sync(self, seconds: float = LAST) -> bool:
        """Have everything told that machines did until now, without regard to the share of the
        processor. False if that took too long. Not in the hub's thread."""
        return self._ask_thread(None, seconds)

    def _ask_thread(self, consumer: Consumer | None, seconds: float) -> bool:
        with ENDING.hold(seconds) as most:
            request = _Request(consumer, monotonic() + most)
            with self._lock:
                thread = self._thread
                is_running = thread is not None and thread is not threading.current_thread()
                if is_running:
                    self._requests.append(request)
            if is_running:
                self._wake()
                return request.done.wait(most + POLL) and request.is_complete
            self._answer(request)
            return request.is_complete

    def due(self, journal: HubJournal) -> None:
        """A journal has entries. On the machine's stack, so it only notes it."""
        self._drain.due(journal)
        # After a fork there is no thread before there is something to do for it. One that sleeps
        # looks around soon: to wake it takes longer than many transitions.
        if self._thread is None or len(journal) >= HURRY * journal.batch:
            self.wake()
        if self._held_back and len(journal) >= journal.batch:
            self.sync()
            for wait in list(self._held_back.values()):
                wait()

    def machine_came(self, machine: am.BaseMachine) -> None:
        """A submachine was made."""
        self.registry.machine_came(machine)

    def machine_changed(self, machine: am.BaseMachine, what: str) -> None:
        """`what` is a method of consumers: schema_changed, handlers_changed, pipes_changed."""
        self.registry.machine_changed(machine, what)

    def machine_ends(self, machine: am.BaseMachine) -> None:
        """A machine is being disposed."""
        self.registry.machine_ends(machine)
        self.start()

    # ------------------------------------------------------------------ the thread

    def start(self) -> None:
        """See that the thread runs, if there is anything to do for it."""
        if self._thread is not None or self._is_over:
            return
        with self._lock:
            if self._thread is not None or not threading.main_thread().is_alive():
                return
            thread = threading.Thread(target=self._run, name="am-telemetry", daemon=False)
            self._thread, self._poller = thread, Poller()
        try:
            thread.start()
        except RuntimeError:  # the interpreter is going down
            self._is_over = True
            self._end()

    def wake(self) -> None:
        """Have the thread look around; start it if there is none."""
        if self._thread is None:
            self.start()
        self._wake()

    def _wake(self) -> None:
        poller = self._poller
        if poller is not None:
            poller.wake()

    def watch(self, fileobj: Any, events: int, fn: Callable[[int], object] | None) -> None:
        """Have `fn(ready events)` called in the hub's thread; 0 events: no more. In that thread."""
        if self._poller is not None:
            self._poller.watch(fileobj, events, fn)

    def _run(self) -> None:
        try:
            self._turn_round()
        except Exception as exc:
            self.guard.note(self, exc)
        finally:
            self._end()
        if not self._is_over and (len(self.registry) or self._requests):
            # Something was bound in the meantime, or somebody waits.
            self.start()

    def _turn_round(self) -> None:
        """Turn until nothing is bound any more or the main thread ended; then tell the rest."""
        main = threading.main_thread()
        next_read, idle_since = 0.0, monotonic()
        while main.is_alive():
            now = monotonic()
            if len(self.registry) or self.registry.events or self._requests:
                idle_since = now
            elif now - idle_since > LINGER:
                break
            if self._requests:
                self._serve_requests()
            self.duty.share = max([one.share for one in self._known()], default=SHARE)
            wait = self._read(now) if now >= next_read else next_read - now
            if now >= next_read:
                next_read = monotonic() + wait
            self._serve_events()
            self._tick()
            self._sleep(min(wait, POLL) if self._drain.is_idle else min(wait, INTERVAL))
        else:
            self._is_over = True
        with ENDING.hold(LAST) as seconds:
            self._flush_all(monotonic() + seconds)

    def _read(self, now: float) -> float:
        """Read as much as may be; returns the seconds until more may be read."""
        self._drain.turn()
        while not self._drain.is_idle and threading.main_thread().is_alive():
            left = self.duty.left(now)
            if left <= 0:
                return max(self.duty.wait(now), 0.001)
            took, given_up = self._drain.piece(left)
            self._give_up(given_up)
            now = monotonic()
            self.duty.spend(now, took)
            if self._drain.is_through:
                break
        return INTERVAL

    def _sleep(self, seconds: float) -> None:
        assert self._poller is not None
        ready = self._poller.sleep(seconds)
        if not ready:
            return
        began = thread_time()
        for fn, events in ready:
            self.guarded(fn, events)
        self.duty.spend(monotonic(), thread_time() - began)

    def guarded(self, fn: Callable[..., object], *args: Any) -> None:
        """Call what no consumer is to be blamed for."""
        try:
            fn(*args)
        except Exception as exc:
            self.guard.note(fn, exc)

    def _tick(self) -> None:
        began = thread_time()
        now = monotonic()
        self._give_up([c for c in self._known() if not self.guard.call(c, c.tick, now)])
        self.duty.spend(monotonic(), thread_time() - began)

    def _known(self) -> list[Consumer]:
        with self._lock:
            return list(self._consumers)

    # ------------------------------------------------------------------ events, requests

    def _serve_events(self, *, anyway: bool = False) -> None:
        """Tell what happened beside transitions, each after the entries of its machine."""
        events = self.registry.events
        later: list[Event] = []
        for _ in range(len(events)):
            event = events.popleft()
            changed = event.name.endswith("_changed")
            if not (changed or anyway) and self._drain.has_entries(event.link, event.journal):
                later.append(event)
                continue
            consumers = [event.consumer] if event.consumer else event.link.consumers
            for consumer in consumers:
                if changed:
                    args: tuple[Any, ...] = (event.link,)
                elif self.registry.remove(consumer, event.link, event.via):
                    args = (event.link, event.at)
                else:
                    continue
                fn = getattr(consumer, event.name if changed else "gone")
                if not self.guard.call(consumer, fn, *args):
                    self._give_up([consumer])
        events.extendleft(reversed(later))

    def _serve_requests(self) -> None:
        with self._lock:
            requests, self._requests = self._requests, []
        for request in requests:
            self._answer(request)

    def _answer(self, request: _Request) -> None:
        request.is_complete = self._read_all(request.deadline)
        consumer = request.consumer
        if consumer is not None:
            for link in self.registry.links_of(consumer):
                self.registry.events.append(Event("detached", link, consumer, link.journal))
            self._serve_events(anyway=True)
            with self._lock:
                # No turn comes after its last.
                self._consumers.pop(consumer, None)
            self.guard.call(consumer, consumer.flush, request.deadline)
        else:
            self._tick()
        request.done.set()

    def _read_all(self, deadline: float) -> bool:
        """Everything that is there now, whatever it takes until the deadline; whether it was
        all."""
        drain, began = self._drain, time_ns() // 1000
        while monotonic() < deadline:
            took, given_up = drain.piece(1.0)
            self._give_up(given_up)
            if took:
                self.duty.spend(monotonic(), took)
            if took and not drain.has_read_all_of(began):
                continue
            before = len(self.registry.events)
            self._serve_events()
            if len(self.registry.events) >= before and drain.has_read_all_of(began):
                return True
        return False

    def _give_up(self, consumers: list[Consumer]) -> None:
        for consumer in dict.fromkeys(consumers):
            for link in self.registry.links_of(consumer):
                self.registry.remove(consumer, link)
            with self._lock:
                self._consumers.pop(consumer, None)
            self.guard.forget(consumer)

    # ------------------------------------------------------------------ the end

    def _flush_all(self, deadline: float) -> None:
        if any([consumer.share >= SHARE for consumer in self._known()]):
            # Else it is not worth the time: nobody would take it.
            self._read_all(deadline)
        self._serve_events(anyway=self._is_over)
        consumers = self._known()
        for i, consumer in enumerate(reversed(consumers)):
            if not self._is_over and any(True for _ in self.registry.links_of(consumer)):
                continue  # a machine came as the thread ended, which begins anew for it
            # What one leaves of its share is for the others.
            share = (deadline - monotonic()) / (len(consumers) - i)
            self.guard.call(consumer, consumer.flush, monotonic() + max(share, 0.0))

    def _end(self) -> None:
        with self._lock:
            poller = self._poller
            self._poller = self._thread = None
            # Those of a thread that begins anew are for that.
            requests = self._requests if self._is_over else []
            self._requests = [] if self._is_over else self._requests
        for request in requests:
            request.is_complete = True
            request.done.set()
        if poller is not None:
            poller.close()

    def forked(self) -> None:
        """This is a child process: the thread is not here, nor is what it held."""
        had_machines = bool(len(self.registry))
        poller, self._poller = self._poller, None
        if poller is not None:
            poller.close()
        self._thread = None
        self.streams.forked()
        self._lock = threading.Lock()
        self._requests = []
        self._drain = Drain(self.guard)
        self.duty = Duty()
        for consumer in list(self._consumers):
            self.guard.call(consumer, consumer.forked)
        if not had_machines:
            return
        for link in self.registry.forked():
            for consumer in link.consumers:
                self.guard.call(consumer, consumer.bound, link)


_hubs: list[Hub] = []


def _after_fork() -> None:
    for hub in _hubs:
        try:
            hub.forked()
        except Exception as exc:
            hub.guard.note(hub, exc)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
