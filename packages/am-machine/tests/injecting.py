"""Raises an exception at a chosen line of the package, and looks at what is left of a machine."""

from __future__ import annotations

import gc
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A line that is run: the number of the call, and that of the line within it.
Point = tuple[int, int]
HOME = am.__file__.rpartition("__init__")[0]
# In every schema: a state that nothing concerns, and one that a wait is for from the start.
SPARE: dict[str, Any] = {"Probe": {}, "Later": {}}


class Injector:
    """A trace function that notes the lines run in the package, or raises at one of them.

    A line is known by the number of the call in which it is run, and by its own number in that
    call: so only that one call has to be followed line by line when it is to raise there. One that
    raises nowhere notes of each line whether it was run before by the same callers.
    """

    def __init__(self, at: Point | None, error: type[BaseException]) -> None:
        self.at = at
        self.error = error
        self.place = ""
        self.calls = 0
        # All lines that were run, and those of them that were run for the first time, each with
        # all the lines that called it.
        self.points: list[Point] = []
        self.first: list[Point] = []
        self._seen: set[tuple[tuple[Any, int], ...]] = set()

    def called(self, frame: Any, event: str, arg: object) -> Any:
        if not frame.f_code.co_filename.startswith(HOME):
            return None
        self.calls += 1
        if self.at is None:
            return self._noting(self.calls)
        return self._raising(self.at[1]) if self.calls == self.at[0] else None

    def _raising(self, number: int) -> Any:
        left = number

        def line(frame: Any, event: str, arg: object) -> Any:
            nonlocal left
            if event == "line":
                if not left:
                    code = frame.f_code
                    name = code.co_filename.removeprefix(HOME)
                    self.place = f"{name}:{frame.f_lineno} {code.co_name}"
                    # What a trace function raises ends the tracing.
                    raise self.error("injected")
                left -= 1
            return line

        return line

    def _noting(self, call: int) -> Any:
        number = 0

        def line(frame: Any, event: str, arg: object) -> Any:
            nonlocal number
            if event == "line":
                self.note(frame, (call, number))
                number += 1
            return line

        return line

    def note(self, frame: Any, point: Point) -> None:
        self.points.append(point)
        way = []
        while frame is not None and frame.f_code.co_filename.startswith(HOME):
            way.append((frame.f_code, frame.f_lineno))
            frame = frame.f_back
        if (*way,) not in self._seen:
            self._seen.add((*way,))
            self.first.append(point)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self.called)
        try:
            yield
        finally:
            sys.settrace(before)


@dataclass
class World:
    """Machines that something happens to, and what hangs on them."""

    machines: list[am.Machine]
    # Does it; what it makes is kept in `kept`.
    act: Callable[[World], object]
    # Waits for `Later` of each machine.
    later: list[am.Wait] = field(default_factory=list)
    kept: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.later = [m.when("Later") for m in self.machines]


def attempt(make: Callable[[], World], at: Point | None, error: type[BaseException]) -> Attempt:
    """Let it happen once, with an exception at that line."""
    world = make()
    injector = Injector(at, error)
    raised: BaseException | None = None
    try:
        with injector.at_work():
            world.act(world)
    except BaseException as escaped:
        raised = escaped
    return Attempt(world, injector, raised)


@dataclass
class Attempt:
    """One time that it happened."""

    world: World
    injector: Injector
    raised: BaseException | None

    def problems(self) -> list[str]:
        """What does not hold afterwards."""
        found: list[str] = []
        if self.raised is not None and not isinstance(self.raised, self.injector.error):
            found.append(f"{type(self.raised).__name__} escapes")
        # Its traceback holds frames of the machine.
        self.raised = None
        found += idle_problems(self.world.machines)
        found += context_problems()
        for m, later in zip(self.world.machines, self.world.later, strict=True):
            found += _told(use_problems, m, later)
            found += _told(journal_problems, m)
        for m in self.world.machines:
            found += _told(end_problems, m)
        for one in [*self.world.later, *self.world.kept]:
            if isinstance(one, am.Wait) and not one.done:
                found.append(f"{one.label!r} is awaited for ever")
            if isinstance(one, am.StateContext) and not one.expired:
                found.append(f"the context of {one.state} never expires")
        return found


def _told(check: Callable[..., list[str]], *args: Any) -> list[str]:
    try:
        return check(*args)
    except BaseException as error:
        return [f"{type(error).__name__} in {check.__name__}"]


def idle_problems(machines: list[am.Machine]) -> list[str]:
    """Nothing runs, nothing waits, and clocks and active states are of one mind."""
    found = []
    for m in machines:
        if m.transition is not None:
            found.append("a transition is left")
        if m.queue:
            found.append("the queue is not empty")
        if m.active != tuple([name for name, tick in m.clock().items() if tick & 1]):
            found.append("ticks and active states differ")
    return found


ALONE = am.compile_schema({"A": {}})


def context_problems() -> list[str]:
    """No cause is left; another machine works."""
    found = []
    sources: list[object] = []
    try:
        if am.current_source() is not None:
            found.append("a cause is left")
        m = am.Machine(ALONE, handlers={"AState": lambda e: sources.append(e.source)})
        if str(m.add("A", n=1)) != "executed" or str(m.remove("A")) != "executed":
            found.append("another machine does not work")
    except BaseException as error:
        found.append(f"{type(error).__name__} in another machine")
    if sources != [None] and not found:
        found.append("another machine has a cause")
    return found


def use_problems(m: am.Machine, later: am.Wait) -> list[str]:
    """A machine that was not disposed takes mutations, calls handlers and wakes waits."""
    if m.disposed:
        return []
    found = []
    ticks = m.queue_tick
    results = [str(m.add("Probe")), str(m.remove("Probe"))]
    if "queued" in results:
        return ["wedged: a call from outside is queued"]
    if results == ["canceled", "canceled"]:
        # It is half disposed; whether that can be completed is seen next.
        return []
    if results != ["executed", "executed"] or m.queue_tick != ticks + 2:
        found.append(f"mutations are {results}, queue tick {m.queue_tick - ticks} on")
    calls: list[Any] = []

    def called(event: am.Event) -> None:
        calls.append((event.name, event.tick, event.source, event.transition.called))

    names = ("ProbeEnter", "ProbeState", "ProbeExit", "ProbeEnd")
    binding = m.bind(dict.fromkeys(names, called))
    tick = m.tick("Probe")
    results = [str(m.add("Probe", n=1)), str(m.remove("Probe"))]
    ticks_seen = (tick, tick + 1, tick + 1, tick + 2)
    expected = [(name, t, None, ("Probe",)) for name, t in zip(names, ticks_seen, strict=True)]
    if results != ["executed", "executed"] or calls != expected:
        found.append(f"with handlers mutations are {results}, calls {[c[0] for c in calls]}")
    binding.detach()
    if str(m.add("Later")) != "executed" or not later.done:
        found.append("a pending wait is not woken")
    return found + idle_problems([m])


def journal_problems(m: am.Machine) -> list[str]:
    """What journals tell goes on from the clocks as they are, whatever was lost before."""
    found = []
    for journal in m.tracers:
        if isinstance(journal, am.Journal) and not m.disposed:
            journal.read()
            before, queue_tick = tuple(m.time()), m.queue_tick
            m.add("Probe")
            entries = [
                entry
                for entry in journal.read()
                if entry.details is None or entry.details.what != "blocked"
            ]
            (entry,) = entries
            if (entry.before, entry.queue_tick) != (before, queue_tick + 1):
                found.append("a journal has lost track")
            m.remove("Probe")
    return found


def end_problems(m: am.Machine) -> list[str]:
    """It can be disposed."""
    m.dispose()
    found = [] if m.disposed else ["dispose does not complete"]
    if m.add("Probe") is not am.CANCELED:
        found.append("a disposed machine takes mutations")
    return found + idle_problems([m])


@contextmanager
def no_collection() -> Iterator[None]:
    """Cycles are collected between two attempts only, so that each runs the same lines."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
