"""A machine that nobody listens to takes shorter ways; they must lead to the same places.

Random schemas with handlers that vote, mutate, raise, listen, bind and give up are played on a
quiet machine and on machines with tracers, logs, steps and breakpoints. All that a user can see
must be the same.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [*"ABCDE"]
KINDS = ["add", "remove", "set", "toggle", "can_add", "can_remove"]
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)


class EveryHook(am.Tracer):
    """Overrides hooks that look at the transition, so that all of it is really made."""

    def transition_init(self, transition: Any) -> None:
        str(transition)

    def transition_finals(self, transition: Any) -> None:
        tuple(transition.time_after)

    def transition_end(self, transition: Any) -> None:
        assert transition.added is not transition.removed or not transition.added

    def handler_start(self, transition: Any, binding: Any, name: str) -> None:
        assert transition.mutation.kind

    def handler_end(self, transition: Any, binding: Any, name: str) -> None:
        assert transition.id

    def mutation_queued(self, machine: Any, mutation: Any) -> None:
        str(mutation.source)


def bare(m: am.Machine) -> None:
    """Nobody listens."""


def traced(m: am.Machine) -> None:
    m.bind_tracer(am.Tracer())


def hooked(m: am.Machine) -> None:
    m.bind_tracer(EveryHook())


def logged(m: am.Machine) -> None:
    m.log_level = am.LogLevel.EVERYTHING


def stepped(m: am.Machine) -> None:
    m.sem_log.steps = True
    m.sem_log.checks = True


def watched(m: am.Machine) -> None:
    m.add_breakpoint(added=["A", "B", "C", "D", "E"])


def journaled(m: am.Machine) -> None:
    m.bind_tracer(am.Journal())


LISTENERS: list[Callable[[am.Machine], None]] = [
    traced,
    hooked,
    logged,
    stepped,
    watched,
    journaled,
]


def random_schema(chance: random.Random) -> dict[str, Any]:
    def some(share: float, but: str) -> list[str]:
        return [name for name in NAMES if name != but and chance.random() < share]

    schema: dict[str, Any] = {}
    for name in NAMES:
        require = some(0.1, name)
        schema[name] = {
            "auto": chance.random() < 0.2,
            "multi": chance.random() < 0.25,
            "require": require,
            "add": some(0.15, name),
            "remove": [other for other in some(0.15, name) if other not in require],
        }
    if chance.random() < 0.3:
        schema["Exception"] = {"multi": chance.random() < 0.5}
    return schema


def handler_names(chance: random.Random) -> list[str]:
    names = [f"{name}{suffix}" for name in NAMES for suffix in ("Enter", "Exit", "State", "End")]
    names += [f"{one}{other}" for one in NAMES for other in NAMES]
    names += ["AnyEnter", "AnyState", "ExceptionState"]
    return chance.sample(names, chance.randint(0, 14))


def plain(args: Any) -> dict[str, str]:
    """Args without what differs from machine to machine."""
    return {name: repr(value) for name, value in args.items() if name != "panic"}


class Play:
    """One machine, its handlers with their moods, and all that could be seen."""

    def __init__(self, seed: int, listen: Callable[[am.Machine], None]) -> None:
        self.chance = random.Random(seed)
        self.seen: list[Any] = []
        self.kept: list[Any] = []
        self.calls = 0
        schema = random_schema(self.chance)
        self.catch = self.chance.random() < 0.8
        # No limit on handlers: a delay of the host would make a difference between two plays.
        self.m = am.Machine(
            schema, catch_exceptions=self.catch, queue_limit=12, id="m", handler_timeout=None
        )
        self.m.log_traceback = False
        self.other = am.Machine({"Ping": {"multi": True}}, id="other", handler_timeout=None)
        self.other.bind({"PingState": lambda e: self.seen.append(("ping", e.source.hops))})
        listen(self.m)
        self.bindings = [self.bind() for _ in range(self.chance.randint(0, 2))]

    def bind(self) -> Any:
        return self.m.bind({name: self.handle for name in handler_names(self.chance)})

    def handle(self, event: am.Event) -> object:
        self.calls += 1
        self.seen.append(
            (
                event.name,
                event.tick,
                plain(event.args),
                event.is_check,
                event.source.hops if event.source else 0,
                str(self.m),
                event.transition.called,
                event.transition.target,
                tuple(event.transition.time_after),
            )
        )
        if self.chance.random() < 0.1:
            self.kept.append(event)
        return self.act(event) if self.calls < 60 else None

    def act(self, event: am.Event) -> object:
        match self.chance.choice(["accept"] * 6 + ["mutate"] * 4 + ["reject", "raise", "more"]):
            case "mutate":
                self.mutate()
            case "reject":
                return False
            case "raise":
                raise ValueError(f"boom {event.name}")
            case "more":
                self.do_more()
        return None

    def do_more(self) -> None:
        m = self.m
        match self.chance.randint(0, 9):
            case 0:
                self.bindings.append(self.bind())
            case 1 if self.bindings:
                self.chance.choice(self.bindings).detach()
            case 2:
                self.other.add("Ping", n=1)
            case 3:
                self.seen.append(str(m.add_err(LookupError("lost"))))
            case 4:
                m.bind_tracer(am.Tracer())
            case 5:
                self.kept.append(m.when_queue(m.add(self.chance.choice(NAMES), n=2)))
            case 6 if self.chance.random() < 0.3:
                m.dispose()
            case 7 if self.chance.random() < 0.3:
                raise KeyboardInterrupt
            case 8:
                m.queue_limit = self.chance.choice([1, 5, 12])
            case _:
                self.wait()

    def wait(self) -> None:
        m, chance = self.m, self.chance
        name = chance.choice(NAMES)
        self.kept += [
            m.when(name),
            m.when_not(name),
            m.when_any(*chance.sample(NAMES, 2)),
            m.when_ticks(name, 2),
            m.when_next_active(name),
            m.when_args(name, n=1),
            m.when_query(lambda clock: clock[name] > 5),
            m.when_queue_ends(),
            m.state_ctx(name),
        ]

    def mutate(self) -> None:
        kind = self.chance.choice(KINDS)
        called = self.chance.sample(NAMES, self.chance.choice([0, 1, 1, 1, 2, 3]))
        args = {"n": 1} if self.chance.random() < 0.3 else {}
        result = getattr(self.m, kind)(*called, **args)
        self.seen.append((kind, called, str(result), result.queue_tick))
        self.kept.append(result)

    def step(self) -> None:
        if self.chance.random() < 0.15:
            self.wait()
        try:
            self.mutate()
        except (ValueError, KeyboardInterrupt) as error:
            self.seen.append(repr(error))
        m = self.m
        self.seen.append(
            (m.string_all(), m.queue_tick, m.queue, repr(m.err), m.disposed, m.refused)
        )
        self.seen.append([self.fate(one) for one in self.kept])
        self.seen.append(am.current_source())

    @staticmethod
    def fate(one: Any) -> object:
        if isinstance(one, am.Result):
            return str(one.outcome)
        if isinstance(one, am.Event):
            source = one.source.hops if one.source else 0
            return (one.name, one.tick, plain(one.args), one.transition.called, source)
        return one.expired if isinstance(one, am.StateContext) else one.done


@pytest.mark.usefixtures("log")
@RELAXED
@given(seed=st.integers(0, 2**32), listener=st.sampled_from(LISTENERS))
def test_listening_changes_nothing_that_can_be_seen(
    seed: int, listener: Callable[[am.Machine], None]
) -> None:
    quiet, loud = Play(seed, bare), Play(seed, listener)
    for _ in range(25):
        quiet.step()
        loud.step()
        assert quiet.seen == loud.seen
        quiet.seen.clear()
        loud.seen.clear()


class EndsOnly(am.Tracer):
    """Writes down what a journal keeps, as it happens."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def transition_end(self, transition: am.Transition) -> None:
        mutation, m = transition.mutation, transition.machine
        if not mutation.is_check:
            before, after = tuple(transition.time_before), tuple(transition.time_after)
            self.seen.append(
                (str(mutation.kind), mutation.indexes, before, after, m.queue_tick,
                 transition.accepted, transition.is_broken)
            )  # fmt: skip


@pytest.mark.usefixtures("log")
@RELAXED
@given(seed=st.integers(0, 2**32))
def test_a_journal_tells_afterwards_what_a_tracer_hears(seed: int) -> None:
    tracer, beside, alone = EndsOnly(), am.Journal(rejected=True), am.Journal(rejected=True)

    def both(m: am.Machine) -> None:
        m.bind_tracer(tracer)
        m.bind_tracer(beside)

    loud, quiet = Play(seed, both), Play(seed, lambda m: m.bind_tracer(alone))
    for number in range(25):
        loud.step()
        quiet.step()
        if number % 3 == 0:
            told, tracer.seen = tracer.seen, []
            assert [entry[1:8] for entry in beside.read()] == told
            assert [entry[1:8] for entry in alone.read()] == told


@pytest.mark.parametrize("listened", [False, True])
@pytest.mark.parametrize(
    ("handler", "is_done"), [("BState", True), ("CState", False), ("AnyState", False)]
)
def test_a_wait_for_keywords_made_in_a_final_handler_is_for_states_whose_turn_is_to_come(
    handler: str, is_done: bool, listened: bool
) -> None:
    waits: list[am.Wait] = []
    handlers = {handler: lambda event: waits.append(event.machine.when_args("B", n=1))}
    machine = am.Machine({"A": {}, "B": {}, "C": {}}, handlers=handlers)
    if listened:
        machine.bind_tracer(EndsOnly())
    machine.set("A", "B", "C", n=1)
    assert [wait.done for wait in waits] == [is_done]
    machine.remove("B")
    assert waits[0].done is is_done
    machine.add("B", n=1)
    assert waits[0].done
