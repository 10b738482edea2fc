"""Other threads read all that can be read, and drop what was handed to them; the owner goes on.

`AM_THREAD_SECONDS` is how long for each way; half a minute for acceptance. The interpreter changes
threads as often as it can.
"""

from __future__ import annotations

import gc
import os
import queue
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = float(os.environ.get("AM_THREAD_SECONDS", "1"))
SCHEMA = {
    "A": {"multi": True}, "B": {"remove": ["C"]}, "C": {"remove": ["B"]}, "D": {"auto": True},
    "E": {"require": ["B"]}, "ErrX": {},
}  # fmt: skip
NAMES = ("A", "B", "C", "D", "E")


@pytest.fixture
def ignored(log: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Threads take turns after each microsecond; what callbacks of weak references raise."""
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda told: found.append(repr(told.exc_value)))
    before = sys.getswitchinterval()
    gc.collect()
    # Collections in the test look at its own objects only, so there can be many of them.
    gc.freeze()
    sys.setswitchinterval(1e-6)
    yield found
    sys.setswitchinterval(before)


def read_transition(m: am.Machine) -> None:
    """What a reader may do with the running transition."""
    transition = m.transition
    if transition is not None:
        str(transition)
        repr(transition)
        assert transition.machine is m
        assert len(transition.time_after) >= len(transition.time_before)
        assert transition.id == transition.id
        for read in (transition.called, transition.target, transition.before, transition.added,
                     transition.removed, transition.touched, transition.source, transition.kind,
                     transition.steps, transition.mutation, transition.accepted):  # fmt: skip
            repr(read)


READS: tuple[Callable[[am.Machine], object], ...] = (
    read_transition,
    lambda m: (m.active, m.is_("A"), m.not_("B"), m.any_("A", ("B", "C")), "D" in m),
    lambda m: (m.time().sum, m.clock(), m.tick("A"), m.is_time(m.time()), m.was_clock({"A": 0})),
    lambda m: (str(m), repr(m), m.string_all(), m.inspect(), m.inspect("A")),
    lambda m: [(str(mutation), mutation.args) for mutation in m.queue],
    lambda m: (m.is_queued("add", "A"), m.will_be("A"), m.will_be_removed("B")),
    lambda m: (m.tracers, m.id, m.schema, m.parent, m.tags, m.disposed, m.err, m.is_err),
    lambda m: (m.queue_tick, m.machine_tick, m.queue_limit, m.refused, m.switch("A", "B")),
    lambda m: (m.log_level, m.handler_timeout, m.sem_log, m.sem_log.steps, m.log_args),
    lambda m: m.export().to_dict(),
    lambda m: am.current_source(),
)


class Stranger(threading.Thread):
    """A thread that the machine does not belong to; it goes on until it is told to stop."""

    def __init__(self, machine: am.Machine) -> None:
        super().__init__(name=type(self).__name__, daemon=True)
        self.machine = machine
        self.stopped = threading.Event()
        self.errors: list[str] = []
        self.rounds = 0

    def run(self) -> None:
        while not self.stopped.is_set():
            self.rounds += 1
            self.go_on()

    def go_on(self) -> None:
        raise NotImplementedError

    def try_to(self, read: Callable[[am.Machine], object], machine: am.Machine, what: str) -> None:
        try:
            read(machine)
        except Exception as error:
            self.errors.append(f"{what}: {type(error).__name__}: {error}")


class Reader(Stranger):
    """Reads all that can be read, the transition most of all."""

    def go_on(self) -> None:
        for number, read in enumerate(READS):
            self.try_to(read, self.machine, f"read {number}")
            for _ in range(5):
                self.try_to(read_transition, self.machine, "read of the transition")


class Dropper(Stranger):
    """Lets go of what the owner hands over: the last references die here."""

    def __init__(self, machine: am.Machine) -> None:
        super().__init__(machine)
        self.handed: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def go_on(self) -> None:
        try:
            one = self.handed.get(timeout=0.01)
        except queue.Empty:
            return
        if isinstance(one, am.Machine):
            self.try_to(read_transition, one, "read of a child")
            self.try_to(str, one, "text of a child")
        if isinstance(one, am.Journal):
            one.read()
        del one
        if self.rounds % 50 == 0:
            gc.collect()


class Owner:
    """Mutates its machine, and checks that each handler is told of the transition it is in."""

    def __init__(self, m: am.Machine, dropper: Dropper | None, *, is_heard: bool) -> None:
        self.m = m
        self.dropper = dropper
        self.wrong: list[str] = []
        # What the running mutation is, and how many there were.
        self.called: tuple[str, ...] = ()
        self.args: dict[str, int] = {}
        self.count = 0
        self.calls = 0
        names = ("AEnter", "AState", "AA", "BEnter", "BState", "BExit", "BEnd", "CEnter", "CState",
                 "CEnd", "DEnter", "DState", "EState", "AnyEnter", "AnyState")  # fmt: skip
        self.m.bind(dict.fromkeys(names, self.note))
        if is_heard:
            self.m.sem_log.steps = True

    def note(self, event: am.Event) -> None:
        self.calls += 1
        before = event.transition
        told = (event.transition.called, dict(event.args), event.transition.is_check)
        if event.transition is not before:
            self.wrong.append(f"{event.name}: two transitions in one handler")
        if not event.transition.auto and told[:2] != (self.called, self.args):
            self.wrong.append(f"{event.name} of {self.called} {self.args} is told {told}")
        if event.transition.auto and told[0] != ("D",):
            self.wrong.append(f"{event.name} of an auto mutation is told {told}")
        source = am.current_source()
        if source is None or source.machine_id != self.m.id:
            self.wrong.append(f"{event.name} has the cause {source}")

    def waits(self, name: str) -> tuple[Callable[[], Any], ...]:
        m, n = self.m, self.count
        return (
            lambda: m.when(name, "E"), lambda: m.when_not(name), lambda: m.when_any("E", name),
            lambda: m.when_ticks(name, 3), lambda: m.when_args(name), lambda: m.state_ctx(name),
            lambda: m.when_args(name, n=-1), lambda: m.when_query(lambda clock: False),
            lambda: m.when_time({name: n + 9}), lambda: m.when_next_active(name),
            m.when_disposed, m.when_queue_ends, lambda: m.when("E"), lambda: m.when("ErrX"),
        )  # fmt: skip

    def hand_over(self, dropper: Dropper, name: str) -> None:
        """Make what hangs on the machine, and leave the last reference to the other thread."""
        m, n, hand = self.m, self.count, dropper.handed.put
        makers = self.waits(name)
        for i in range(4):
            hand(makers[(n + i) % len(makers)]())
        if n % 50 == 7:
            journal = am.Journal()
            m.bind_tracer(journal)
            self.called, self.args = ("A",), {}
            m.add("A")
            m.detach_tracer(journal)
            hand(journal)
        if n % 10 == 3:
            child = am.Machine({"X": {}}, parent=m, handlers={"XState": lambda e: None})
            child.add("X")
            hand(child.when("Exception"))
            hand(child.state_ctx("X"))
            hand(child)

    def step(self) -> None:
        """One mutation, with waits and the like made before it."""
        m, n = self.m, self.count
        self.count += 1
        name = NAMES[n % 3]
        if self.dropper is not None:
            self.hand_over(self.dropper, name)
        self.called, self.args = (name,), {"n": n} if n % 3 == 1 else {}
        before, ticks = m.time().sum, m.queue_tick
        kind = "remove" if n % 7 == 6 else "add"
        result = getattr(m, kind)(name, **self.args)
        if result is not am.EXECUTED:
            self.wrong.append(f"{kind} {name} gave {result}")
        if m.queue_tick != ticks + 1 or m.time().sum < before:
            self.wrong.append("clocks went elsewhere")
        if m.transition is not None or m.queue or m.err is not None:
            self.wrong.append(f"afterwards {m.transition} {m.queue} {m.err!r}")


@pytest.mark.parametrize("is_heard", [False, True], ids=["nobody listens", "steps"])
@pytest.mark.parametrize("who", ["reads", "drops", "reads and drops"])
@pytest.mark.slow
def test_other_threads_never_disturb_the_owner(
    who: str, is_heard: bool, ignored: list[str]
) -> None:
    m = am.Machine(SCHEMA, id="m", handler_timeout=None)
    dropper = Dropper(m) if "drops" in who else None
    strangers: list[Stranger] = [Reader(m)] if "reads" in who else []
    strangers += [dropper] if dropper is not None else []
    owner = Owner(m, dropper, is_heard=is_heard)
    for stranger in strangers:
        stranger.start()
    end = time.monotonic() + SECONDS
    try:
        while time.monotonic() < end and not owner.wrong:
            owner.step()
    except Exception as error:
        owner.wrong.append(f"the owner got {error!r}")
    finally:
        for stranger in strangers:
            stranger.stopped.set()
            stranger.join(10)
    rounds = [stranger.rounds for stranger in strangers]
    told = f"after {owner.count} mutations, {owner.calls} calls, {rounds} rounds of the others"
    errors = Counter(error for stranger in strangers for error in stranger.errors)
    assert not owner.wrong, told
    assert not errors, told
    assert not ignored, told
    assert min(rounds) > 5, told
    m.dispose()
    assert m.disposed
