"""Laws of transitions on random machines: who is called, where mutations end, what is kept.

`AM_LAW_CASES` is the number of machines that each law is tried on; a failure names the seed.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from typing import Any

import pytest

import am_machine as am

CASES = int(os.environ.get("AM_LAW_CASES", "1000"))


# A schema whose auto mutation, once one of its states is left out, comes to other states.
IN_PART: dict[str, dict[str, Any]] = {
    "A": {"remove": ["C"], "auto": True},
    "B": {"require": ["E"], "add": ["C"], "remove": ["A"], "auto": True},
    "C": {"add": ["E", "A"], "remove": ["A", "B", "E"]},
    "D": {},
    "E": {},
    "F": {"remove": ["E", "A"]},
}
RELATIONS = ("require", "add", "remove", "after")


def relations(seed: int, *, autos: bool = False) -> dict[str, dict[str, Any]]:
    """A random schema; with `autos` every other state is auto, so that they get into each other's
    way."""
    chance = random.Random(seed)
    names = [*"ABCDEF"[: chance.choice([2, 3, 4, 5, 5, 6])]]
    density = chance.choice([0.15, 0.3, 0.4] if autos else [0.05, 0.15, 0.3])
    like: dict[str, dict[str, Any]] = {}
    if autos and chance.random() < 0.5:
        # Something like it: a few relations more, a few less.
        names, density, like = [*IN_PART], 0.04, IN_PART
    if chance.random() < 0.25:
        names.insert(chance.randint(0, len(names)), "Exception")
    schema: dict[str, dict[str, Any]] = {}
    for name in names:
        one = schema[name] = {
            relation: [
                other
                for other in names
                if other != name
                and chance.random()
                < (0.9 if other in like.get(name, {}).get(relation, ()) else density)
            ]
            for relation in RELATIONS
        }
        if chance.random() < 0.6 and not like:
            one["require"] = []
        one["remove"] = [other for other in one["remove"] if other not in one["require"]]
        one["multi"] = chance.random() < (0.05 if like else 0.2)
        share = 0.95 if like.get(name, {}).get("auto") else 0.1 if like else 0.5 if autos else 0.15
        one["auto"] = chance.random() < share and name != "Exception"
    return schema


def some(chance: random.Random, names: tuple[str, ...]) -> list[str]:
    return chance.sample(names, min(len(names), chance.choice([1, 1, 1, 2, 3])))


def do(m: am.Machine, mutation: tuple[str, list[str], dict[str, Any]]) -> am.Result:
    kind, states, args = mutation
    result: am.Result = getattr(m, kind)(*states, **args)
    return result


def draw_mutation(chance: random.Random, names: tuple[str, ...]) -> tuple[str, list[str], Any]:
    kind = chance.choices(["add", "remove", "set"], [5, 4, 1])[0]
    return kind, some(chance, names), chance.choice([{}, {}, {"n": 1}])


# ------------------------------------------------------------------------------ who is called


class Counted:
    """A machine to which nobody listens, and how often each of its handlers was called."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.m = am.Machine(relations(seed, autos=seed % 2 == 0), id="m", handler_timeout=None)
        self.names = self.m.schema.names
        self.calls: Counter[str] = Counter()
        self.count = 0
        names = [s + role for s in self.names for role in ("Enter", "Exit", "State", "End")]
        finals = [s + role for s in self.names for role in ("State", "End")]
        share = self.chance.choice([0, 0, 0.1, 0.3])
        self.bound = {name for name in names if self.chance.random() < share}
        # One handler may be all: a transition without any is run in another way.
        self.bound.add(self.chance.choice(finals))
        self.m.bind({name: self.handler(name) for name in self.bound})

    def handler(self, name: str) -> Any:
        def called(event: am.Event) -> bool | None:
            self.calls[name] += 1
            self.count += 1
            if name.endswith(("Enter", "Exit")) and self.chance.random() < 0.2:
                return False
            if self.chance.random() < 0.15 and self.count < 40:
                do(self.m, draw_mutation(self.chance, self.names))
            return None

        return called

    def step(self, seed: int, *, waits: bool) -> None:
        """One call from outside; the clocks tell how often each state was entered and left."""
        m = self.m
        self.calls.clear()
        before = m.clock()
        was = set(m.active)
        args = {s: m.when_args(s) for s in self.names if self.chance.random() < 0.1 and waits}
        mutation = draw_mutation(self.chance, self.names)
        do(m, mutation)
        for state in self.names:
            # Each entry and each leaving is a tick, each entry of an active multi state two.
            gained = (state in m.active) - (state in was)
            entered = (m.tick(state) - before[state] + gained) // 2
            told = f"seed {seed}: {mutation} from {was}, {before} to {m.clock()}: {state}"
            if f"{state}State" in self.bound:
                assert self.calls[f"{state}State"] == entered, told
            if f"{state}End" in self.bound and not m.schema[state].multi:
                assert self.calls[f"{state}End"] == entered - gained, told
            if state in args:
                assert args[state].done is (entered > 0), told


@pytest.mark.parametrize("waits", [False, True], ids=["no waits", "waits on args"])
def test_each_entry_and_each_leaving_is_told_once(waits: bool) -> None:
    for seed in range(CASES):
        counted = Counted(seed)
        for _ in range(12):
            counted.step(seed, waits=waits)


class Transitions(am.Tracer):
    """Holds each transition against the handlers that were called in it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(seed)
        self.calls: list[str] = []
        self.raised = ""
        self.count = 0
        # Names bound all through the running transition.
        self.bound: set[str] = set()
        self.stable: set[str] = set()
        # Names that some binding had at some time; a name is bound once at most.
        self.bindings: dict[str, am.Binding] = {}
        self.ends: list[str] = []
        self.states: list[str] = []
        self.is_applied = False

    def begin(self, m: am.Machine) -> None:
        self.m = m
        m.bind_tracer(self)
        for name in self.all_names():
            if self.chance.random() < 0.3:
                self.bind(name)

    def all_names(self) -> list[str]:
        names = self.m.schema.names
        return [s + role for s in names for role in ("Enter", "Exit", "State", "End")]

    def bind(self, name: str) -> None:
        if name not in self.bindings:
            self.bindings[name] = self.m.bind({name: self.handler(name)})

    def handler(self, name: str) -> Any:
        def called(event: am.Event) -> None:
            self.calls.append(name)
            self.count += 1
            if self.count > 50:
                return
            match self.chance.randint(0, 30):
                case 0 | 1 | 2 if name.endswith(("State", "End")) and name != "ExceptionState":
                    self.raised = name
                    raise LookupError(name)
                case 3 | 4:
                    late = self.chance.choice(self.all_names())
                    if late not in self.bindings:
                        self.stable.discard(late)
                        self.bind(late)
                case 5:
                    gone = self.chance.choice([*self.bindings])
                    self.stable.discard(gone)
                    self.bindings.pop(gone).detach()
                case 6 | 7:
                    do(self.m, draw_mutation(self.chance, self.m.schema.names))

        return called

    def transition_init(self, transition: am.Transition) -> None:
        self.calls.clear()
        self.raised = ""
        self.stable = set(self.bindings)
        self.is_applied = False

    def transition_finals(self, transition: am.Transition) -> None:
        schema, before = transition.machine.schema, transition.before
        called = () if transition.auto else transition.called
        self.is_applied = True
        self.ends = [f"{s}End" for s in before if s not in transition.target]
        again = [s for s in called if schema[s].multi]
        self.states = [f"{s}State" for s in transition.target if s not in before or s in again]

    def transition_end(self, transition: am.Transition) -> None:
        told = (
            f"seed {self.seed}: {transition.mutation} {transition.before} -> {transition.target}: "
            f"{self.calls}, raised by {self.raised!r}"
        )
        counts = Counter(self.calls)
        assert max(counts.values(), default=0) <= 1, told
        finals = [name for name in self.calls if name.endswith(("State", "End"))]
        if not self.is_applied:
            assert not finals, told
            return
        assert set(finals) <= {*self.ends, *self.states} | (set(finals) - self.stable), told
        if not transition.auto:
            # An auto transition in part may enter states that nobody was asked about.
            votes = [f"{s}Enter" for s in (name[:-5] for name in self.states)]
            votes += [f"{s}Exit" for s in (name[:-3] for name in self.ends)]
            assert all(counts[vote] == 1 for vote in votes if vote in self.stable), told
        if self.raised.endswith("End"):
            assert finals[-1] == self.raised, told
            assert not any(name.endswith("State") for name in finals), told
            return
        assert all(counts[name] == 1 for name in self.ends if name in self.stable), told
        first = self.states
        if self.raised:
            assert finals[-1] == self.raised, told
            first = self.states[: self.states.index(self.raised) + 1]
        entered = [name for name in finals if name.endswith("State") and name in self.stable]
        assert entered == [name for name in first if name in self.stable], told


def test_finals_that_raise_and_late_bindings_leave_the_others_their_calls(log: Any) -> None:
    for seed in range(CASES):
        tracer = Transitions(seed)
        chance = random.Random(seed)
        m = am.Machine(relations(seed, autos=seed % 2 == 0), id="m", handler_timeout=None)
        m.log_traceback = False
        tracer.begin(m)
        for _ in range(10):
            do(m, draw_mutation(chance, m.schema.names))
        # What a tracer raises is only logged.
        raised = [r.exc_info[1] for r in log.records if r.exc_info and "[tracer]" in r.getMessage()]
        assert not raised, raised[0]
        log.clear()


# ------------------------------------------------------------------------------ where it ends


def without_duplicates(m: am.Machine, mutations: list[Any]) -> list[Any]:
    """Without those that equal the last one before them: they are answered and not queued."""
    kept: list[Any] = []
    for kind, states, args in mutations:
        multi = any(m.schema[state].multi for state in states)
        last = kept[-1] if kept else ("", [], {})
        equal = last[0] == kind and set(last[1]) == set(states) and not last[2] and not args
        if not (equal and not multi and kind != "set"):
            kept.append((kind, states, args))
    return kept


def ended(seed: int, listen: Any) -> tuple[Any, ...] | None:
    """Where a handler's mutations end, and where the same ones end that are made from outside.

    None, if the handler was not called. The handler's own transition comes first, with the auto
    mutation that follows it; then its mutations in their order, each with its own.
    """
    chance = random.Random(seed)
    schema = am.compile_schema(relations(seed, autos=True))
    history = [draw_mutation(chance, schema.names) for _ in range(chance.randint(0, 4))]
    own = draw_mutation(chance, schema.names)
    mutations = [draw_mutation(chance, schema.names) for _ in range(chance.randint(1, 5))]
    if chance.random() < 0.4:
        # Often the same few states, to and fro.
        state = chance.choice(schema.names)
        mutations = [(chance.choice(["add", "remove"]), [state], {}) for _ in range(4)]
    inside, outside = am.Machine(schema, handler_timeout=None), am.Machine(schema)
    for mutation in history:
        do(inside, mutation)
        do(outside, mutation)
    results: list[am.Result] = []

    def handler(event: am.Event) -> None:
        if not results:
            results.extend([do(inside, mutation) for mutation in mutations])

    roles = ("Enter", "Exit", "State", "End")
    names = [s + role for s in schema.names for role in roles] + ["AnyEnter", "AnyState"]
    chosen = chance.sample(names, 3)
    inside.bind(dict.fromkeys(chosen, handler))
    listen(inside)
    do(inside, own)
    if not results:
        return None
    kept = without_duplicates(inside, mutations)
    expected = [str(do(outside, mutation)) for mutation in [own, *kept]][1:]
    outcomes = [str(result.outcome) for result in results if result.queued]
    told = (seed, chosen, history, own, mutations)
    got = (inside.active, inside.clock(), inside.queue_tick, outcomes)
    want = (outside.active, outside.clock(), outside.queue_tick, expected)
    return got, want, told


LISTEN: dict[str, Any] = {
    "nobody": lambda m: None,
    "a journal": lambda m: m.bind_tracer(am.Journal()),
    "a tracer": lambda m: m.bind_tracer(type("T", (am.Tracer,), {"log": lambda *a: None})()),
}


@pytest.mark.parametrize("who", LISTEN)
def test_mutations_of_a_handler_end_where_they_end_from_outside(who: str) -> None:
    called = 0
    for seed in range(2 * CASES):
        compared = ended(seed, LISTEN[who])
        if compared is not None:
            called += 1
            got, want, told = compared
            assert got == want, told
    assert called > CASES // 3


# ------------------------------------------------------------------------------ what is kept


class Ends(am.Tracer):
    """Clocks and queue tick of a machine at the end of each transition that moved it on."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def transition_end(self, transition: am.Transition) -> None:
        m = transition.machine
        moved = transition.accepted or tuple(transition.time_before) != tuple(m.time())
        if moved and not transition.is_check:
            self.seen.append((tuple(transition.time_before), tuple(m.time()), m.queue_tick))


class Storied:
    """A machine with handlers that vote, raise and mutate, always the same for a seed."""

    def __init__(self, seed: int, *tracers: am.Tracer) -> None:
        self.chance = random.Random(seed)
        self.m = am.Machine(relations(seed), id="m", handler_timeout=None, tracers=tracers)
        self.m.log_traceback = False
        self.names = self.m.schema.names
        self.count = 0
        roles = ("Enter", "Exit", "State", "End")
        names = [s + role for s in self.names for role in roles] + ["AnyEnter", "AnyState"]
        self.m.bind({name: self.handler(name) for name in names if self.chance.random() < 0.2})

    def handler(self, name: str) -> Any:
        def called(event: am.Event) -> bool | None:
            self.count += 1
            match self.chance.randint(0, 20) if self.count < 50 else 9:
                case 0 | 1:
                    return False
                case 2:
                    raise LookupError(name)
                case 3 | 4 | 5:
                    do(self.m, draw_mutation(self.chance, self.names))
            return None

        return called

    def step(self) -> None:
        if self.chance.random() < 0.2:
            self.m.can_add(*some(self.chance, self.names))
        do(self.m, draw_mutation(self.chance, self.names))


def test_a_journal_tells_clocks_and_queue_tick_of_each_transition(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logging.getLogger("am_machine"), "handle", lambda record: None)
    for seed in range(CASES // 2):
        ends, alone = Ends(), am.Journal()
        heard, kept = Storied(seed, ends), Storied(seed, alone)
        clocks = tuple(kept.m.time())
        for number in range(12):
            heard.step()
            kept.step()
            if number % 4 != 3:
                continue
            entries = alone.read()
            for entry in entries:
                assert entry.before == clocks, f"seed {seed}"
                clocks = entry.after
            assert clocks == tuple(kept.m.time()), f"seed {seed}"
            # Whether a final that fails where no clock moved is kept is nobody's law.
            kept_ones = [e for e in entries if e.accepted or e.before != e.after]
            told = [(entry.before, entry.after, entry.queue_tick) for entry in kept_ones]
            assert told == ends.seen, f"seed {seed}"
            ends.seen.clear()
