"""A machine is never half done: whatever is raised wherever, afterwards it is idle and usable.

An exception is raised at each line that the package runs in some scenarios; and real recursion
comes to its limit at each frame. `AM_INJECT_STEP` is how many lines it goes on each time: 1 tries
each. Without it, each is tried with KeyboardInterrupt that was not run before by the same callers,
and every seventh of those with the others.
"""

from __future__ import annotations

import gc
import itertools
import logging
import os
import sys
from collections import Counter
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

from .injecting import (
    SPARE,
    Attempt,
    Injector,
    Point,
    World,
    attempt,
    context_problems,
    end_problems,
    idle_problems,
    no_collection,
    use_problems,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow
STEP = os.environ.get("AM_INJECT_STEP")
STEPS = {KeyboardInterrupt: 1, RecursionError: 7, MemoryError: 7}


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Records go nowhere; what is raised in a weak reference's callback is nobody's to catch."""
    monkeypatch.setattr(logging.getLogger("am_machine"), "handle", lambda record: None)
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    yield
    gc.collect()


# Compiled schemas, so that a scenario finds its plans made; making them takes most of the lines.
schemas: dict[str, am.Schema] = {}


def new(states: dict[str, Any], *, is_fresh: bool = False, **options: Any) -> am.Machine:
    """A machine that has the spare states as well, and never measures its handlers."""
    whole = states | SPARE
    schema = None if is_fresh else schemas.get(repr(whole))
    if schema is None:
        schema = am.compile_schema(whole)
        if not is_fresh:
            schemas[repr(whole)] = schema
    return am.Machine(schema, handler_timeout=None, **options)


def accept(event: am.Event) -> None:
    """A handler that looks at what it gets."""
    assert event.transition.called is not None
    assert event.source is None or event.source.hops


# ------------------------------------------------------------------------------ what happens


def plain() -> World:
    def act(world: World) -> None:
        m.toggle("A")
        m.toggle("A")
        m.add("A", "B", n=1)
        m.set("B")
        m.can_add("A")

    m = new({"A": {}, "B": {}})
    return World([m], act)


def with_handlers(*, is_fresh: bool = False) -> World:
    def act(world: World) -> None:
        m.add("A", x=1)
        m.add("A", "B")
        m.set("C")
        m.can_remove("C")

    m = new({"A": {"multi": True}, "B": {"add": ["D"]}, "C": {}, "D": {}}, is_fresh=is_fresh)
    names = ("AEnter", "AExit", "AState", "AEnd", "AA", "AB", "BC", "DState", "AnyEnter",
             "AnyState", "CState")  # fmt: skip
    m.bind(dict.fromkeys(names, accept))
    m.bind({"AState": lambda e: None, "BState": lambda e: kept.append(e)})
    kept: list[Any] = []
    kept += [
        m.when("A", "B"), m.when_not("A", "B"), m.when_any("C", "D"), m.when_time({"A": 3}),
        m.when_ticks("B", 2), m.when_next_active("A"), m.when_args("A", x=1), m.when_args("B"),
        m.when_query(lambda clock: clock["C"] == 1), m.state_ctx("A"), m.state_ctx("C"),
    ]  # fmt: skip
    return World([m], act, kept=kept)


def with_plans_to_make() -> World:
    return with_handlers(is_fresh=True)


def queueing() -> World:
    def mutate(event: am.Event) -> None:
        world.kept.append(m.when_queue(event.add("A", n=1)))
        event.remove("B", n=2)
        event.set("Go", "B")
        m.can_add("A")
        m.toggle("A", n=3)
        world.kept.append(m.when_queue_ends())

    m = new({"Go": {}, "A": {}, "B": {}})
    m.bind({"GoState": mutate, "AEnter": accept, "BState": accept})
    world = World([m], lambda world: m.add("Go", n=0))
    return world


def autos_in_part() -> World:
    def act(world: World) -> None:
        m.add("F")
        m.remove("F")
        m.add("G")

    m = new({
        "A": {"remove": ["C"], "auto": True},
        "B": {"require": ["E"], "add": ["C"], "remove": ["A"], "auto": True},
        "C": {"add": ["E", "A"], "remove": ["A", "B", "E"]},
        "D": {"auto": True}, "E": {}, "F": {"remove": ["E", "A"]}, "G": {},
    })  # fmt: skip
    m.bind({"AState": accept, "DEnter": lambda e: False, "AnyState": accept})
    return World([m], act)


def errors() -> World:
    def act(world: World) -> None:
        m.add_err(ValueError("one"))
        m.remove("Exception")
        m.add_err("ErrX", ValueError("two"), n=1)

    m = new({"ErrX": {"require": ["Exception"]}})
    m.bind({"ExceptionState": accept, "ErrXState": accept})
    return World([m], act, kept=[m.when_err()])


def failing_handlers() -> World:
    def fail(event: am.Event) -> None:
        raise LookupError(event.name)

    def act(world: World) -> None:
        m.add("A", "B", "C")
        m.add("D")
        m.remove("A")

    m = new({"A": {}, "B": {}, "C": {}, "D": {}})
    m.bind({"AState": accept, "BState": fail, "CState": accept, "DEnter": fail, "AEnd": fail})
    return World([m], act, kept=[m.state_ctx("B"), m.when("B"), m.when_ticks("C", 2)])


def observed() -> World:
    class Hears(am.Tracer):
        def mutation_queued(self, machine: Any, mutation: Any) -> None:
            str(mutation)

        def transition_end(self, transition: am.Transition) -> None:
            str(transition)

        def handler_end(self, transition: Any, binding: Any, name: str) -> None:
            str(transition.machine)

        def queue_end(self, machine: Any) -> None:
            str(machine)

    def act(world: World) -> None:
        m.add("A", n=1)
        m.add("B")
        m.remove("A")
        journal.read()

    journal = am.Journal(rejected=True)
    m = new({"A": {}, "B": {}}, tracers=[Hears(), journal], log_level=am.LogLevel.EVERYTHING)
    m.sem_log.steps = True
    m.add_breakpoint(added=["A"])
    m.bind({"AEnter": accept, "BEnter": lambda e: False, "AState": lambda e: e.add("B", n=1)})
    return World([m], act, kept=[m.when("A")])


def journaled() -> World:
    def act(world: World) -> None:
        m.add("A")
        m.add("B")
        m.remove("A", n=1)
        journal.read()

    journal = am.Journal()
    m = new({"A": {}, "B": {}}, tracers=[journal])
    m.bind({"AState": accept, "BEnter": lambda e: False})
    return World([m], act)


def detailed() -> World:
    def fail(event: am.Event) -> None:
        raise ValueError

    def act(world: World) -> None:
        m.add("A")
        m.can_remove("A")
        m.remove("A", n=1)
        m.remove("B")
        m.log("said")
        journal.details = False
        journal.read()

    class Keeps(am.Journal):
        blocked_autos = False

    journal = Keeps(rejected=True, details=True)
    m = new({"A": {}, "B": {}, "C": {}, "Never": {"auto": True, "require": ["C"]}})
    m.bind_tracer(journal)
    m.bind({"AState": lambda e: e.add("B", n=2), "AEnter": accept, "AEnd": fail, "BEnd": accept})
    return World([m], act)


def served() -> World:
    class Hears(am.Tracer):
        def queue_end(self, machine: Any) -> None:
            pass

    def act(world: World) -> None:
        m.add("A")
        m.add("B")
        m.remove("A")

    m = new({"A": {}, "B": {}}, tracers=[Hears()])
    m.bind({"AState": accept})
    return World([m], act)


def two_machines() -> World:
    def act(world: World) -> None:
        one.add("A")
        one.remove("A", n=1)

    one, other = new({"A": {}, "Back": {}}), new({"Ping": {"multi": True}})
    one.bind({"AState": lambda e: other.add("Ping", n=1), "AEnd": lambda e: other.add("Ping")})
    other.bind({"PingEnter": accept, "PingState": lambda e: one.add("Back", n=2)})
    return World([one, other], act)


def dispose() -> World:
    m = new({"Start": {}, "A": {}})
    children = [new({"Start": {}}, parent=m), new({}, parent=m)]
    m.bind({"StartEnd": accept, "AState": accept})
    children[0].bind({"StartEnd": accept})
    m.add("Start", "A")
    children[0].add("Start")
    m.on_dispose(lambda m: None)
    m.on_dispose(lambda m: m.on_dispose(lambda m: None))
    kept = [m.state_ctx("A"), children[0].state_ctx("Start"), m.when_disposed(),
            children[1].when_disposed(), m.when_next_active("A")]  # fmt: skip
    return World([m, *children], lambda world: m.dispose(), kept=kept)


def dispose_in_a_handler() -> World:
    m = new({"Start": {}, "A": {}, "B": {}})
    m.bind({"AState": lambda e: (e.add("B", n=1), e.machine.dispose()), "StartEnd": accept})
    m.add("Start")
    return World([m], lambda world: m.add("A"), kept=[m.state_ctx("A"), m.when("B")])


def binding() -> World:
    def act(world: World) -> None:
        bound = m.bind({"AState": accept, "BEnter": accept})
        m.add("A")
        m.bind_tracer(tracer)
        m.log_level = am.LogLevel.OPS
        m.bind_tracer(journal)
        m.sem_log.steps = True
        m.add("B", n=1)
        bound.detach()
        m.detach_tracer(tracer)
        m.log_level = am.LogLevel.NOTHING
        m.detach_tracer(journal)
        m.queue_limit = 5
        m.remove("A")

    class Hears(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            str(transition)

    tracer, journal = Hears(), am.Journal()
    m = new({"A": {}, "B": {}})
    return World([m], act)


def binding_in_handlers() -> World:
    def change(event: am.Event) -> None:
        bound.append(m.bind({"BState": accept, "AEnd": accept}))
        bound[0].detach()

    m = new({"A": {}, "B": {}})
    bound = [m.bind({"BState": accept})]
    m.bind({"AEnter": change, "BEnter": change})
    return World([m], lambda world: (m.add("A", "B"), m.remove("A", "B")))


def making_waits() -> World:
    def act(world: World) -> None:
        for make in makers:
            world.kept.append(make())
        world.kept[0].cancel()
        # One is dropped, and so takes itself out.
        del world.kept[2]
        m.add("A")

    m = new({"A": {}, "B": {}})
    makers: list[Callable[[], Any]] = [
        lambda: m.when("A"), lambda: m.when_not("A"), lambda: m.when_any("A", "B"),
        lambda: m.when_time({"A": 3, "B": 1}), lambda: m.when_ticks("A", 1),
        lambda: m.when_next_active("B"), lambda: m.when_args("A"), lambda: m.when_args("B", n=1),
        lambda: m.when_query(lambda clock: clock["B"] == 1), lambda: m.when_queue(am.EXECUTED),
        m.when_queue_ends, m.when_err, m.when_disposed, lambda: m.state_ctx("A"),
    ]  # fmt: skip
    return World([m], act)


SCENARIOS: list[Callable[[], World]] = [
    plain, with_handlers, with_plans_to_make, queueing, autos_in_part, errors, failing_handlers,
    observed, journaled, detailed, served, two_machines, dispose, dispose_in_a_handler, binding,
    binding_in_handlers, making_waits,
]  # fmt: skip


# ------------------------------------------------------------------------------ at each line


def broken_at(
    scenario: Callable[[], World], at: Point, error: type[BaseException]
) -> tuple[str, list[str]]:
    tried = attempt(scenario, at, error)
    return tried.injector.place, tried.problems()


@pytest.mark.parametrize("error", STEPS)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_exception_at_any_line_leaves_every_machine_usable(
    scenario: Callable[[], World], error: type[BaseException]
) -> None:
    for _ in range(2):
        undisturbed = attempt(scenario, None, error)
        assert undisturbed.raised is None
        assert undisturbed.problems() == []
    injector = undisturbed.injector
    points = injector.first[:: STEPS[error]] if STEP is None else injector.points[:: int(STEP)]
    broken: list[tuple[Point, str, list[str]]] = []
    with no_collection():
        for number, at in enumerate(points):
            # A cause that is left behind in the context is not to disturb the next attempt.
            place, problems = copy_context().run(broken_at, scenario, at, error)
            assert place, f"call {at[0]} has no line {at[1]} this time"
            if problems:
                broken.append((at, place, problems))
            if number % 200 == 0:
                gc.collect()
    if broken:
        kinds = Counter(problem for *_, problems in broken for problem in set(problems))
        told = "\n".join(f"  {count:5} {kind}" for kind, count in kinds.most_common(12))
        places = "\n".join(f"  {at} {place}: {'; '.join(p)}" for at, place, p in broken[:25])
        pytest.fail(
            f"{len(broken)} of {len(points)} points break a machine\n{told}\n{places}",
            pytrace=False,
        )


# ------------------------------------------------------------------------------ at each frame


def chain(length: int, **options: Any) -> list[am.Machine]:
    """Machines each of which adds to the next, each in a handler of the one before it."""
    schema = am.compile_schema({"A": {}} | SPARE)
    machines = [am.Machine(schema, handler_timeout=None, **options) for _ in range(length)]
    for one, other in itertools.pairwise(machines):
        one.bind({"AState": lambda e, other=other: other.add("A")})
    return machines


def problems_of(machines: list[am.Machine]) -> list[str]:
    found = [*idle_problems(machines), *context_problems()]
    for m in machines:
        for check in (lambda m=m: use_problems(m, m.when("Later")), lambda m=m: end_problems(m)):
            try:
                found += check()
            except Exception as error:
                found.append(f"{type(error).__name__} is raised")
    return found


def frames() -> int:
    frame, count = sys._getframe(), 0
    while frame is not None:
        frame, count = frame.f_back, count + 1
    return count


def at_limit(left: int, act: Callable[[], object]) -> BaseException | None:
    """Do it with so many frames left before the limit of recursion."""
    before = sys.getrecursionlimit()
    try:
        sys.setrecursionlimit(frames() + left)
        act()
    except BaseException as error:
        return error
    finally:
        sys.setrecursionlimit(before)
    return None


def too_long(call: str, length: int, left: int, level: int) -> list[str]:
    """What is wrong with a chain that has too few frames left."""
    machines = chain(length, log_level=am.LogLevel(level))
    if call == "can_add":
        for one, other in itertools.pairwise(machines):
            one.bind({"AEnter": lambda e, other=other: bool(other.can_add("A"))})
    error = at_limit(left, lambda: getattr(machines[0], call)("A"))
    escaped = [] if error is None or isinstance(error, RecursionError) else [f"{error!r} escapes"]
    return escaped + problems_of(machines)


@pytest.mark.parametrize("level", [0, 2, 5])
@pytest.mark.parametrize("call", ["add", "can_add"])
def test_a_chain_of_machines_that_is_too_long_leaves_each_usable(
    level: int, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deep(record: object, frames: int = 10) -> None:
        """Takes frames, as real handlers of records do."""
        if frames:
            deep(record, frames - 1)

    monkeypatch.setattr(logging.getLogger("am_machine"), "handle", deep)
    problems = Counter(copy_context().run(too_long, call, 400, 1000, level))
    # A chain that is shorter, with the limit at each frame that a link of it takes.
    for left in range(200, 220):
        problems.update(copy_context().run(too_long, call, 60, left, level))
    assert not problems, problems.most_common(8)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_recursion_that_ends_at_any_frame_leaves_every_machine_usable(
    scenario: Callable[[], World],
) -> None:
    def run(left: int) -> list[str]:
        world = scenario()
        error = at_limit(left, lambda: world.act(world))
        return Attempt(world, Injector(None, RecursionError), error).problems()

    broken = []
    for left in range(2, 80):
        problems = copy_context().run(run, left)
        if problems:
            broken.append((left, Counter(problems).most_common(4)))
    assert not broken, f"{len(broken)} of 78 depths break a machine"
