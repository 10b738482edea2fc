"""The engine against a slow model of it, on random schemas, handlers and operations.

The model works on lists of names, keeps no plan and no bit mask, and computes everything anew each
time. It has to agree with every recorded case first, so that what it says of random ones counts.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import am_machine as am

Definition = dict[str, Any]
Schema = dict[str, Definition]
HEALTH_PINGS = ("Healthcheck", "Heartbeat")


def unique(names: Any) -> list[str]:
    return list(dict.fromkeys(names))


class Relations:
    """A schema as plain lists, cleaned of what sanitising removes, and the resolution on it."""

    def __init__(self, schema: Schema) -> None:
        self.names = list(schema)
        if "Exception" not in schema:
            self.names.append("Exception")
        whole = {name: schema.get(name, {"multi": True}) for name in self.names}
        self.auto = {s for s in self.names if whole[s].get("auto")}
        self.multi = {s for s in self.names if whole[s].get("multi")}
        self.require = {s: unique(whole[s].get("require", ())) for s in self.names}
        self.add = {s: unique(whole[s].get("add", ())) for s in self.names}
        self.remove = {
            s: [r for r in unique(whole[s].get("remove", ())) if r != s and r not in self.add[s]]
            for s in self.names
        }
        self.after = {
            s: [a for a in unique(whole[s].get("after", ())) if a != s] for s in self.names
        }
        self.rank = self.require_rank()

    def require_rank(self) -> dict[str, int]:
        """Place of each state in a depth-first post-order over `require`, -1 without an edge."""
        rank: dict[str, int] = {}
        path: list[str] = []
        cyclic = False

        def visit(state: str) -> None:
            nonlocal cyclic
            if state in path:
                cyclic = True
            if state in path or state in rank:
                return
            path.append(state)
            for needed in self.require[state]:
                visit(needed)
            path.pop()
            rank[state] = len(rank)

        for state in self.names:
            if self.require[state]:
                visit(state)
        return {s: -1 if cyclic else rank.get(s, -1) for s in self.names}

    def in_index_order(self, states: Any) -> list[str]:
        return [s for s in self.names if s in states]

    def imply(self, kind: str, called: list[str], before: list[str], start: list[str]) -> list[str]:
        out = list(start)
        for state in out:  # grows while it is walked
            if state in before and state not in self.multi:
                continue
            for added in self.add[state]:
                if added not in out and not (kind == "remove" and added in called):
                    out.append(added)
        return out

    def keep_required(self, states: list[str]) -> list[str]:
        while True:
            kept = [s for s in states if all(r in states for r in self.require[s])]
            if kept == states:
                return kept
            states = kept

    def order(self, states: list[str]) -> list[str]:
        rest = sorted(states, key=lambda s: self.rank[s])
        placed = []
        while rest:
            free = [s for s in rest if not any(a in rest for a in self.after[s])]
            first = free[0] if free else rest[0]
            placed.append(first)
            rest.remove(first)
        return placed

    def resolve(self, kind: str, called: list[str], before: list[str]) -> list[str]:
        called = unique(called)
        active = self.in_index_order(before)
        start = {
            "add": called + active,
            "set": called,
            "remove": [s for s in active if s not in called],
        }[kind]
        first = self.keep_required(unique(self.imply(kind, called, active, unique(start))))
        blocked: list[str] = []
        kept: list[str] = []
        for state in reversed(first):
            if any(state in self.remove[b] and b not in blocked for b in first):
                blocked.append(state)
            else:
                kept.append(state)
        struck = {r for k in kept for r in self.remove[k]}
        second = unique(s for s in self.imply(kind, called, active, kept) if s not in struck)
        return self.order(self.keep_required(second[::-1]))

    def enters(self, called: list[str], before: list[str], target: list[str]) -> list[str]:
        return [s for s in target if s not in before or (s in self.multi and s in called)]

    def exits(self, before: list[str], target: list[str]) -> list[str]:
        return self.order([s for s in self.in_index_order(before) if s not in target])

    def accepts(
        self, kind: str, called: list[str], target: list[str], auto: bool, check: bool
    ) -> bool:
        missing = [s for s in called if s not in target]
        if kind == "remove":
            return True
        if auto:
            return len(missing) < len(called)
        if check and any(s in self.multi for s in called):
            return True
        return not missing


class Boom(Exception):
    """Raised by a scripted handler."""


class Script:
    """Handlers with a scripted behaviour, and what they did."""

    def __init__(self, behaviours: dict[str, Any]) -> None:
        self.behaviours = behaviours
        self.counts: Counter[str] = Counter()
        self.calls: list[str] = []
        self.nested: list[tuple[str, str, int]] = []

    def run(self, name: str, mutate: Any) -> bool:
        """One call; `mutate(step)` makes a mutation and gives its result and queue tick."""
        self.calls.append(name)
        self.counts[name] += 1
        what = self.behaviours[name]
        if isinstance(what, dict):
            if self.counts[name] > what.get("max", 1):
                return True
            steps = what.get("mutate", [])
            for step in steps if isinstance(steps, list) else [steps]:
                self.nested.append((name, *mutate({**step, "op": step["type"]})))
            what = what.get("first") or what.get("then")
        if what == "panic":
            raise Boom(f"boom {name}")
        return bool(what != "reject")


@dataclass
class Mutation:
    kind: str
    called: list[str]
    args: bool = False
    auto: bool = False
    check: bool = False
    last_word: bool = False
    tick: int = 0
    outcome: str = ""


class UnknownState(Exception):
    """A name that is no state of the model."""


@dataclass
class Model:
    """A machine made of lists: a queue, clocks, and the steps of a transition in their order."""

    relations: Relations
    script: Script | None
    limit: int = 1000
    queue: list[Mutation] = field(default_factory=list)
    queue_tick: int = 1
    draining: bool = False
    err: str | None = None
    ended: list[tuple[Any, ...]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ticks = dict.fromkeys(self.relations.names, 0)

    @property
    def active(self) -> list[str]:
        return [s for s in self.relations.names if self.ticks[s] % 2]

    def do(self, op: dict[str, Any]) -> tuple[str, int]:
        """One operation, from outside or from a handler: its result and queue tick."""
        kind, called, args = op["op"], unique(op.get("states", ())), bool(op.get("args"))
        if any(s not in self.ticks for s in called):
            raise UnknownState(called)
        if kind == "toggle":
            kind = "remove" if all(s in self.active for s in called) else "add"
        if kind == "add_err":
            called = unique([*([op["state"]] if "state" in op else []), "Exception"])
            kind, args, self.err = "add", True, op["msg"]
        if kind in ("can_add", "can_remove"):
            return self.prepend(Mutation(kind.removeprefix("can_"), called, args, check=True))
        return self.mutate(Mutation(kind, called, args))

    def mutate(self, new: Mutation) -> tuple[str, int]:
        erring = "Exception" in self.active
        exempt = "Exception" in new.called and new.kind == ("remove" if erring else "add")
        if len(self.queue) >= self.limit and not exempt:
            return "canceled", 0
        plain = not new.args and not any(s in self.relations.multi for s in new.called)
        waiting = [m for m in self.queue if not m.check]
        if plain and new.kind != "set" and waiting:
            last = waiting[-1]
            same = (last.kind, set(last.called)) == (new.kind, set(new.called))
            if same and not last.args:
                return "executed", 0
        self.queue.append(new)
        new.tick = self.queue_tick + sum(1 for m in self.queue if m.tick or m is new)
        return self.drain(new)

    def prepend(self, new: Mutation) -> tuple[str, int]:
        self.queue.insert(0, new)
        return self.drain(new)

    def drain(self, new: Mutation) -> tuple[str, int]:
        if self.draining:
            return "queued", new.tick
        self.draining = True
        while self.queue:
            taken = self.queue.pop(0)
            self.queue_tick += bool(taken.tick)
            taken.outcome = self.transition(taken)
        self.draining = False
        return new.outcome, 0

    def call(self, name: str) -> bool:
        if self.script is None or name not in self.script.behaviours:
            return True
        return self.script.run(name, self.do)

    def transition(self, m: Mutation) -> str:
        rel, before, clock = self.relations, self.active, dict(self.ticks)
        target = rel.resolve(m.kind, m.called, before)
        accepted = rel.accepts(m.kind, m.called, target, m.auto, m.check)
        try:
            if accepted and self.script is not None:
                accepted = self.negotiate(m, before, target)
            if accepted and not m.check:
                if m.auto:
                    called = [s for s in m.called if s in target]
                    target = rel.resolve("add", called, before)
                enters, exits = rel.enters(m.called, before, target), rel.exits(before, target)
                for s in (*exits, *enters):
                    self.ticks[s] += 2 if s in enters and s in before else 1
                self.finals(enters, exits)
                if self.ticks != clock and not m.auto and not m.last_word:
                    self.follow_up(m)
        except Boom as boom:
            accepted = False
            # A check changes nothing, and errors do not nest.
            if not m.check and "Exception" not in m.called:
                self.err = str(boom)
                # An auto state that always fails would be tried for ever, were it tried again.
                error = Mutation("add", ["Exception"], args=True, last_word=m.auto)
                self.queue.insert(0, error)
        self.ended.append(
            (m.kind, m.called, m.auto, m.check, accepted, before, target if accepted else None)
        )
        return "executed" if accepted and self.fulfilled(m, before, target) else "canceled"

    def fulfilled(self, m: Mutation, before: list[str], target: list[str]) -> bool:
        if m.check:
            return True
        if m.kind == "remove":
            return not any(s in self.active for s in m.called)
        if m.auto:
            return len(target) > len(before)
        return all(s in self.active for s in target)

    def negotiate(self, m: Mutation, before: list[str], target: list[str]) -> bool:
        """Ask every negotiation handler; states that an auto mutation drops leave `target`."""
        rel = self.relations
        enters, exits = rel.enters(m.called, before, target), rel.exits(before, target)

        def refused(name: str, state: str) -> bool:
            if self.call(name):
                return False
            if not (m.auto and state in rel.auto):
                return True
            if state in target:
                target.remove(state)
            return False

        for s in exits:
            if not self.call(f"{s}Exit"):
                return False
        if any(refused(f"{s}Enter", s) for s in enters):
            return False
        if m.kind != "remove" and any(refused(f"{s}{s}", s) for s in list(target) if s in before):
            return False
        stage = list(target)
        if any(refused(f"{b}{t}", t) for b in before for t in stage if b != t):
            return False
        return not (m.auto and not target) and self.call("AnyEnter")

    def finals(self, enters: list[str], exits: list[str]) -> None:
        for s in exits:
            self.call(f"{s}End")
        for place, s in enumerate(enters):
            try:
                self.call(f"{s}State")
            except Boom:
                # An error never erases an error.
                for dropped in enters[place + (s == "Exception") :]:
                    self.ticks[dropped] += 1
                raise
        self.call("AnyState")

    def follow_up(self, m: Mutation) -> None:
        if m.kind == "add" and len(m.called) == 1 and m.called[0] in HEALTH_PINGS:
            return
        rel, active = self.relations, self.active
        struck = {r for s in active for r in rel.remove[s]}
        wanted = [s for s in rel.names if s in rel.auto and s not in active and s not in struck]
        if wanted:
            self.queue.insert(0, Mutation("add", wanted, auto=True))


def play_model(case: Definition) -> list[Any]:
    """What the model shows after each operation of a case."""
    handlers = case.get("handlers")
    script = None if handlers is None else Script(handlers)
    relations = Relations({s: case["schema"].get(s, {"multi": True}) for s in case["states"]})
    model = Model(relations, script, case.get("queue_limit", 1000))
    seen = []
    for op in case["ops"]:
        model.ended.clear()
        if script:
            script.calls.clear()
            script.nested.clear()
        try:
            result = model.do(op)[0]
        except UnknownState:
            result = "panic"
        calls, nested = (list(script.calls), list(script.nested)) if script else ([], [])
        ticks = list(model.ticks.values())
        seen.append((result, ticks, model.queue_tick, calls, nested, list(model.ended), model.err))
    return seen


class Ended(am.Tracer):
    """Notes every transition that ends, in the model's words."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[tuple[Any, ...]] = []

    def transition_end(self, tx: am.Transition) -> None:
        m = tx.mutation
        target = list(tx.target) if tx.accepted else None
        self.ended.append(
            (m.kind, list(tx.called), m.is_auto, m.is_check, tx.accepted, list(tx.before), target)
        )


def play_engine(case: Definition, schema: am.Schema, listeners: str, timeout: float) -> list[Any]:
    """What the engine shows after each operation of a case; transitions only if traced."""
    handlers, tracer = case.get("handlers"), Ended()
    limit, tracers = case.get("queue_limit", 1000), [] if listeners == "none" else [tracer]
    machine = am.Machine(schema, handler_timeout=timeout, queue_limit=limit, tracers=tracers)
    machine.log_traceback = False
    if listeners == "all":
        machine.log_level = am.LogLevel.EVERYTHING
        machine.sem_log.steps = machine.sem_log.checks = True
    script = Script(handlers or {})

    def mutate(op: dict[str, Any]) -> tuple[str, int]:
        if op["op"] == "add_err":
            error = Boom(op["msg"])
            both = [op["state"], error] if "state" in op else [error]
            result = machine.add_err(*both, **op.get("args", {}))
        else:
            result = getattr(machine, op["op"])(*op.get("states", ()), **op.get("args", {}))
        return str(result), result.queue_tick if result.queued else 0

    if handlers is not None:
        bound = {name: lambda _, name=name: script.run(name, mutate) for name in handlers}
        machine.bind(bound, strict=False)
    seen = []
    for op in case["ops"]:
        tracer.ended.clear()
        script.calls.clear()
        script.nested.clear()
        try:
            result = mutate(op)[0]
        except am.UnknownStateError:
            result = "panic"
        err = None if machine.err is None else str(machine.err)
        seen.append(
            (result, list(machine.time()), machine.queue_tick, list(script.calls),
             list(script.nested), list(tracer.ended), err)
        )  # fmt: skip
    return seen


def recorded() -> list[Definition]:
    """The recorded cases that have no subscriptions; the model knows no waits."""
    lines = [
        line
        for path in sorted((Path(__file__).parent / "conformance").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").split("\n")
        if line and path.name != "machine-subs.jsonl"
    ]
    return [c for c in map(json.loads, lines) if not any("sub" in op for op in c["ops"])]


@pytest.mark.parametrize("theme", sorted({case["id"].split("/")[0] for case in recorded()}))
def test_model_agrees_with_the_recorded_cases(theme: str) -> None:
    for case in recorded():
        if case["id"].split("/")[0] != theme:
            continue
        for shown, expected in zip(play_model(case), case["expect"], strict=True):
            result, ticks, queue_tick, calls, nested, ended, err = shown
            where = (case["id"], expected)
            assert (result, ticks, queue_tick) == (
                expected["result"], expected["ticks"], expected["queue_tick"],
            ), where  # fmt: skip
            assert calls == expected.get("calls", []), where
            assert nested == [
                (n["handler"], n["result"], n.get("tick", 0)) for n in expected.get("nested", [])
            ], where
            assert ended == [
                (
                    t["type"], t["called"], t.get("auto", False), t.get("check", False),
                    t["accepted"], t["before"], t["target"] if t["accepted"] else None,
                )
                for t in expected.get("tx", [])
            ], where  # fmt: skip
            assert (err is None) == ("err" not in expected), where
            assert expected.get("err", "") in (err or ""), where


def random_schema(rnd: random.Random, size: int, density: float, acyclic: bool = False) -> Schema:
    """States with random relations; about `density` names in each relation."""
    names = [f"S{number}x" for number in range(size)]
    if rnd.random() < 0.7:
        names.insert(rnd.randrange(size + 1), "Exception")
    schema: Schema = {}
    for place, name in enumerate(names):
        others = names[:place] if acyclic else names
        some = {
            kind: rnd.choices(pool, k=rnd.choice([0, 0, 1, 2, round(density * 3)]))
            for kind, pool in (
                ("require", others if rnd.random() < density / 2 else []),
                ("add", names), ("remove", names), ("after", names),
            )
            if pool
        }  # fmt: skip
        if "require" in some:
            clash = some.get("remove", [])
            some["require"] = [r for r in some["require"] if r not in clash or r == name]
            some["remove"] = [r for r in clash if r != name]
        schema[name] = {
            **some, "auto": rnd.random() < 0.25, "multi": rnd.random() < 0.3 or name == "Exception",
        }  # fmt: skip
    return schema


def random_handlers(rnd: random.Random, names: list[str]) -> dict[str, Any]:
    """A random choice of handlers, most of which accept."""
    every = [f"{s}{suffix}" for s in names for suffix in ("Enter", "Exit", "State", "End", s)]
    every += [f"{a}{b}" for a in names for b in names if a != b] + ["AnyEnter", "AnyState"]
    handlers: dict[str, Any] = {}
    for name in rnd.sample(every, k=rnd.randrange(len(every))):
        final = name.endswith(("State", "End"))
        no = "panic" if final else "reject"
        mutation = [random_op(rnd, names, nested=True) for _ in range(rnd.choice([1, 1, 2]))]
        how: list[Any] = ["accept"] * 12 + [no, "panic", {"first": no}, {"first": "panic"}]
        how += [{"mutate": mutation, "max": rnd.choice([1, 2])}] * 3
        how += [{"mutate": mutation, "max": 1, "then": no}]
        handlers[name] = rnd.choice(how)
    return handlers


def random_op(rnd: random.Random, names: list[str], nested: bool = False) -> dict[str, Any]:
    kinds = ["add"] * 5 + ["remove"] * 3 + ["set", "set", "toggle", "can_add", "can_remove"]
    kind = rnd.choice([*kinds, "add_err"])
    if kind == "add_err":
        op: dict[str, Any] = {"msg": f"err {rnd.randrange(9)}"}
        if rnd.random() < 0.3:
            op["state"] = rnd.choice(names)
    else:
        op = {"states": rnd.sample(names, k=min(len(names), rnd.choice([0, 1, 1, 1, 2, 3])))}
        if rnd.random() < 0.2:
            op["args"] = {"k": rnd.randrange(3)}
    return {"type" if nested else "op": kind, **op}


SEEDS = st.integers(0, 2**48)
RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@RELAXED
@given(seed=SEEDS, size=st.integers(1, 12), density=st.floats(0.1, 1), acyclic=st.booleans())
def test_engine_resolves_like_the_model(
    seed: int, size: int, density: float, acyclic: bool
) -> None:
    check_resolution(random.Random(seed), size, density, acyclic, rounds=12)


@settings(RELAXED, max_examples=25)
@given(seed=SEEDS, size=st.sampled_from([40, 64, 65, 90, 130]), density=st.floats(0.1, 1))
def test_engine_resolves_large_schemas_like_the_model(seed: int, size: int, density: float) -> None:
    check_resolution(random.Random(seed), size, density, acyclic=seed % 2 == 0, rounds=4)


def check_resolution(
    rnd: random.Random, size: int, density: float, acyclic: bool, rounds: int
) -> None:
    definition = random_schema(rnd, size, density, acyclic)
    schema, relations = am.compile_schema(definition), Relations(definition)
    names = relations.names
    for _ in range(rounds):
        kind = rnd.choice(["add", "remove", "set"])
        called = rnd.sample(
            names, k=rnd.choice([0, 1, 1, 2, min(5, len(names))]) % (len(names) + 1)
        )
        active = [s for s in names if rnd.random() < rnd.choice([0.1, 0.5, 0.9])]
        auto, check = rnd.choice([(False, False), (False, False), (True, False), (False, True)])
        found = schema.resolve(kind, called, active, is_auto=auto, is_check=check)
        target = relations.resolve(kind, called, active)
        assert found.target == tuple(target)
        assert found.accepted == relations.accepts(kind, called, target, auto, check)
        if kind != "remove":
            assert found.missing == tuple(s for s in called if s not in target)
        if found.accepted:
            assert found.enters == tuple(relations.enters(called, active, target))
            assert found.exits == tuple(relations.exits(active, target))


@settings(RELAXED, max_examples=150)
@given(
    seed=SEEDS,
    size=st.integers(1, 5),
    density=st.floats(0.1, 0.8),
    handled=st.booleans(),
    book_bytes=st.sampled_from([1, 300, 2_000, 5_000, 1_000_000]),
)
def test_engine_runs_like_the_model(
    seed: int, size: int, density: float, handled: bool, book_bytes: int
) -> None:
    rnd = random.Random(seed)
    schema = random_schema(rnd, size, density)
    names = Relations(schema).names
    case: Definition = {"schema": schema, "states": names, "queue_limit": rnd.choice([2, 5, 1000])}
    if handled:
        case["handlers"] = random_handlers(rnd, names)
    case["ops"] = [random_op(rnd, names) for _ in range(12)]
    shared = am.compile_schema({s: schema.get(s, {"multi": True}) for s in names})
    expected = play_model(case)
    untold = [(*shown[:5], [], shown[6]) for shown in expected]
    with patch("am_machine._schema.plan_book.GENERATION_BYTES", book_bytes):
        # Later runs use plans of earlier ones; where nobody listens the engine takes short cuts.
        for listeners, timeout in (("tracer", 0), ("none", 0), ("none", 1000), ("all", 1000)):
            shown = play_engine(case, shared, listeners, timeout)
            assert shown == (untold if listeners == "none" else expected), listeners
