"""Waits and contexts against plain definitions of them, over random histories.

A tracer writes down the clock after each transition. What a wait has to say follows from that
record alone; a twin machine that nobody traces has to say the same.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

Clock = dict[str, int]
Moment = tuple[Clock, frozenset[str], dict[str, Any]]
NAMES = ["A", "B", "C", "M", "N"]


class Chronicle(am.Tracer):
    """The clock after each transition, and what it entered with which args."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[Moment] = []

    def transition_end(self, tx: am.Transition) -> None:
        clock = dict(zip([*NAMES, "Exception"], tx.time_after, strict=True))
        entered = tx.added if tx.accepted and not tx.mutation.is_check else ()
        self.moments.append((clock, frozenset(entered), dict(tx.mutation.args)))


@dataclass
class Watched:
    """A wait, whether it had to be done at once, and what has to happen otherwise."""

    wait: am.Wait
    at_once: bool
    met: Callable[[Moment], bool]
    since: int

    def expected(self, moments: list[Moment]) -> bool:
        return self.at_once or any(self.met(moment) for moment in moments[self.since :])


@dataclass
class Play:
    """One machine in a random play; the same seed makes the same play."""

    seed: int
    traced: bool
    chronicle: Chronicle = field(default_factory=Chronicle)
    watched: list[Watched] = field(default_factory=list)
    contexts: list[am.StateContext] = field(default_factory=list)
    budget: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        relations = {
            s: {
                "multi": s in "MN",
                "auto": self.random.random() < 0.2,
                "add": self.random.sample(NAMES, k=self.random.choice([0, 0, 1])),
                "remove": self.random.sample(NAMES, k=self.random.choice([0, 1, 2])),
            }
            for s in NAMES
        }
        self.machine = am.Machine(relations, tracers=[self.chronicle] if self.traced else [])
        suffixes = ("Enter", "Exit", "State", "End")
        every = [f"{s}{suffix}" for s in NAMES for suffix in suffixes] + ["AnyEnter", "AnyState"]
        if self.random.random() < 0.7:
            bound = self.random.sample(every, k=self.random.randrange(len(every)))
            self.machine.bind(dict.fromkeys(bound, self.act))

    def act(self, event: am.Event) -> bool | None:
        """A handler: mostly agrees; may reject, mutate, or begin to watch."""
        if self.budget <= 0 or self.random.random() < 0.6:
            return None
        self.budget -= 1
        what = self.random.choice(["reject", "mutate", "mutate", "watch", "watch"])
        if what == "mutate":
            self.mutate()
        if what == "watch":
            self.watch()
        return False if what == "reject" else None

    def some(self, least: int = 0) -> list[str]:
        return self.random.sample(NAMES, k=self.random.choice([least, 1, 1, 2]))

    def mutate(self) -> None:
        kind = self.random.choice(["add", "add", "add", "remove", "set", "toggle", "can_add"])
        args = {"id": self.random.randrange(2)} if self.random.random() < 0.4 else {}
        getattr(self.machine, kind)(*self.some(), **args)

    def operate(self) -> None:
        self.budget = 4
        for _ in range(self.random.randrange(3)):
            self.watch()
        state = self.random.choice(NAMES)
        self.contexts.append(self.context(state))
        if self.random.random() < 0.1:
            self.machine.add_err(ValueError("given"))
        else:
            self.mutate()

    def context(self, state: str) -> am.StateContext:
        """Of the state as it is now, active or not."""
        return self.machine.state_ctx(state, inactive=state not in self.machine)

    def watch(self) -> None:
        machine, since = self.machine, len(self.chronicle.moments)
        states, now = self.some(least=1), machine.clock()
        # In a handler it depends on the handlers that ran already whether args were matched.
        kind = self.random.randrange(7 if machine.transition is None else 6)
        at_once, met, wait = self.definition(kind, states, now, self.random.randrange(4))
        self.watched.append(Watched(wait, at_once, met, since))

    def definition(
        self, kind: int, states: list[str], now: Clock, n: int
    ) -> tuple[bool, Callable[[Moment], bool], am.Wait]:
        machine, one = self.machine, states[0]
        active = [bool(now[s] % 2) for s in states]

        def at_least(target: Clock) -> Callable[[Moment], bool]:
            return lambda moment: all(moment[0][s] >= t for s, t in target.items())

        if kind == 0:
            return all(active), lambda m: all(m[0][s] % 2 for s in states), machine.when(*states)
        if kind == 1:
            met = lambda m: not any(m[0][s] % 2 for s in states)  # noqa: E731
            return not any(active), met, machine.when_not(*states)
        if kind == 2:
            met = lambda m: any(m[0][s] % 2 for s in states)  # noqa: E731
            return any(active), met, machine.when_any(*states)
        if kind == 3:
            target = {s: now[s] + n for s in states}
            return n == 0, at_least(target), machine.when_time(target)
        if kind == 4:
            return n == 0, at_least({one: now[one] + n}), machine.when_ticks(one, n)
        if kind == 5:
            target = {one: now[one] + 1 + now[one] % 2}
            return False, at_least(target), machine.when_next_active(one)
        met = lambda m: one in m[1] and m[2].get("id") == n  # noqa: E731
        return False, met, machine.when_args(one, id=n)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
@given(seed=st.integers(0, 2**48))
def test_waits_and_contexts_follow_their_definitions(seed: int) -> None:
    told, quiet = Play(seed, traced=True), Play(seed, traced=False)
    for _ in range(12):
        told.operate()
        quiet.operate()
        assert told.machine.clock() == quiet.machine.clock()
        for number, watched in enumerate(told.watched):
            expected = watched.expected(told.chronicle.moments)
            assert watched.wait.done is expected, (number, watched.wait)
            assert quiet.watched[number].wait.done is expected, (number, watched.wait)
        for play in (told, quiet):
            for context in play.contexts:
                current = context.tick == play.machine.tick(context.state)
                assert context.expired is not current
                assert not current or play.context(context.state) is context


@pytest.mark.parametrize("traced", [False, True])
def test_a_wait_made_in_a_handler_counts_the_transition_under_way(traced: bool) -> None:
    waits: list[am.Wait] = []
    machine = am.Machine({"A": {}, "B": {}}, tracers=[am.Tracer()] if traced else [])
    machine.bind({"AEnter": lambda e: waits.extend([machine.when("A"), machine.when("B"),
                                                    machine.when_ticks("A", 1)])})  # fmt: skip
    machine.add("A")
    assert [w.done for w in waits] == [True, False, True]


# --- another machine takes the place of the one that was followed -------------------------------


def test_waits_on_ticks_end_and_contexts_expire_when_the_source_is_replaced() -> None:
    replica = am.BaseMachine({"A": {}, "B": {}, "C": {}})
    replica.advance([(0, 1)])
    contexts = [replica.state_ctx(s) for s in ("A", "B")]
    ticked = [replica.when_time({"A": 9}), replica.when_ticks("B", 9),
              replica.when_next_active("C")]  # fmt: skip
    same_ticks = list(replica.time())
    replica.reset_clock(same_ticks, replaced=True)
    assert [c.expired for c in contexts] == [True, True], "though no tick moved"
    assert [repr(w).endswith("ended>") for w in ticked] == [True] * 3
    assert not replica.state_ctx("A").expired


def test_waits_on_activity_are_judged_anew_when_the_source_is_replaced() -> None:
    replica = am.BaseMachine({"A": {}, "B": {}, "C": {}})
    replica.advance([(1, 1)])
    met = [replica.when("A"), replica.when_not("B"), replica.when_any("A", "C")]
    pending = [replica.when("C"), replica.when("A", "B")]
    replica.reset_clock([1, 0, 0, 0], replaced=True)
    assert [w.done for w in met] == [True] * 3
    assert [w.done for w in pending] == [False] * 2


def test_ticks_of_another_source_betray_nothing() -> None:
    replica = am.BaseMachine({"A": {}, "B": {}})
    replica.advance([(1, 1)])
    pending = [replica.when("A"), replica.when_not("B")]
    replica.reset_clock([4, 5, 0], replaced=True)
    assert [w.done for w in pending] == [False] * 2, "both are what they were, as far as is known"
