"""Waits beside a plain model of them: every condition is looked at after every transition."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = [*"ABCDE"]
RELAXED = settings(
    max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)

Clock = dict[str, int]


def active(clock: Clock, name: str) -> bool:
    return clock[name] % 2 == 1


class Model(am.Tracer):
    """Tests each pending condition at the end of each transition that moved a clock."""

    def __init__(self) -> None:
        self.pending: list[tuple[am.Wait, Callable[[Clock], bool]]] = []
        self.entries: list[tuple[am.Wait, str, dict[str, Any]]] = []
        self.met: set[int] = set()
        self.kept: list[am.Wait] = []

    def watch(self, wait: am.Wait, condition: Callable[[Clock], bool], now: Clock) -> None:
        self.kept.append(wait)
        self.pending.append((wait, condition))
        if condition(now):
            self.met.add(id(wait))

    def watch_entry(self, wait: am.Wait, name: str, args: dict[str, Any]) -> None:
        self.kept.append(wait)
        self.entries.append((wait, name, args))

    def transition_end(self, transition: Any) -> None:
        if transition.time_before == transition.time_after:
            return
        clock = dict(zip([*NAMES, "Exception"], transition.time_after, strict=True))
        self.met.update(id(wait) for wait, condition in self.pending if condition(clock))
        given_args = dict(transition.mutation.args)
        for wait, name, args in self.entries:
            if name in transition.added and args.items() <= given_args.items():
                self.met.add(id(wait))

    def check(self) -> None:
        assert [wait.done for wait in self.kept] == [id(wait) in self.met for wait in self.kept]


def create(m: am.Machine, model: Model, chance: random.Random) -> None:
    """One more wait of a random kind, with the condition that the model knows it by."""
    now = m.clock()
    some = chance.sample(NAMES, chance.choice([1, 1, 2, 3]))
    one, count = some[0], chance.randint(-1, 4)
    match chance.randint(0, 6):
        case 0:
            wait = m.when(*some)
            model.watch(wait, lambda clock: all(active(clock, s) for s in some), now)
        case 1:
            wait = m.when_not(*some)
            model.watch(wait, lambda clock: not any(active(clock, s) for s in some), now)
        case 2:
            wait = m.when_any(*some)
            model.watch(wait, lambda clock: any(active(clock, s) for s in some), now)
        case 3:
            goals = {name: chance.randint(0, 5) for name in some}
            wait = m.when_time(goals)
            model.watch(wait, lambda clock: all(clock[s] >= t for s, t in goals.items()), now)
        case 4:
            goal = now[one] + count
            model.watch(m.when_ticks(one, count), lambda clock: clock[one] >= goal, now)
        case 5:
            goal = now[one] + (2 if active(now, one) else 1)
            model.watch(m.when_next_active(one), lambda clock: clock[one] >= goal, now)
        case _:
            args = chance.choice([{}, {"x": 1}, {"x": 2}, {"x": 1, "y": 0}])
            model.watch_entry(m.when_args(one, **args), one, args)


def random_machine(chance: random.Random) -> am.Machine:
    schema = {
        name: {
            "auto": chance.random() < 0.2,
            "multi": chance.random() < 0.3,
            "add": [other for other in NAMES if other != name and chance.random() < 0.15],
            "remove": [other for other in NAMES if other != name and chance.random() < 0.2],
        }
        for name in NAMES
    }
    m = am.Machine(schema)

    def mutate(event: am.Event) -> None:
        if chance.random() < 0.5:
            kind = chance.choice([m.add, m.remove, m.set])
            kind(chance.choice(NAMES), x=chance.randint(1, 2))

    chosen = [f"{name}State" for name in NAMES if chance.random() < 0.4]
    m.bind(dict.fromkeys(chosen, mutate))
    return m


@RELAXED
@given(seed=st.integers(0, 2**32))
def test_waits_are_done_exactly_when_their_conditions_were_met(seed: int) -> None:
    chance = random.Random(seed)
    m, model = random_machine(chance), Model()
    m.bind_tracer(model)
    for _ in range(25):
        for _ in range(chance.choice([0, 1, 2])):
            create(m, model, chance)
        kind = chance.choice([m.add, m.add, m.remove, m.set, m.can_add])
        args = chance.choice([{}, {"x": 1}, {"x": 1, "y": 0}])
        kind(*chance.sample(NAMES, chance.choice([0, 1, 1, 2])), **args)
        model.check()
