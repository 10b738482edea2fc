"""Random machines for the gate: what a case is, how a seed becomes one, how one is made smaller.

A case is plain data: a schema, handlers with their turns, a program; so it can be printed,
replayed from its seed alone, and cut down to what matters. `gate_play` runs one, `gate_ways` has
the ways of listening under which it is run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pprint import pformat
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# What is done, inside a handler or from outside: a word and its operands.
Op = tuple[Any, ...]
# What a handler does at its first call, its second …; it begins anew after the last.
Turns = tuple[tuple[Op, ...], ...]

LETTERS = "ABCDEFG"
SPECIAL = ("ErrX", "Healthcheck", "Start", "ErrHandlerTimeout")
# The second machine; its handlers act on the first one.
OTHER = {
    "Ping": {"multi": True},
    "Pong": {"remove": ["Pang"]},
    "Pang": {"auto": True, "remove": ["Pong"]},
}
OTHER_HANDLERS = ("PingState", "PongEnter", "PongState", "PangEnter", "PangState", "PongEnd")


@dataclass(frozen=True)
class Bound:
    """The handlers of one binding: their turns by name, and which of them are async."""

    turns: dict[str, Turns]
    tasks: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Case:
    """A machine and all that happens to it."""

    seed: int
    schema: dict[str, dict[str, Any]]
    bound: tuple[Bound, ...]
    # Bound by the program or by handlers.
    late: tuple[Bound, ...]
    # Handlers of the second machine.
    other: Bound
    program: tuple[Op, ...]
    options: dict[str, Any] = field(default_factory=dict)
    # How much handlers look at: nothing, the machine, or the event and its transition as well.
    # Looking makes records that a machine to which nobody listens goes without.
    look: int = 0
    # Whether it runs under trio, with a nursery for forks and async handlers.
    is_open: bool = False
    # Whether the machines of all ways share one compiled schema, and so their plans.
    is_shared: bool = True

    def __str__(self) -> str:
        told = [
            f"seed {self.seed}, look {self.look}, open {self.is_open}, shared {self.is_shared}, "
            f"options {self.options}",
            f"schema {pformat(self.schema, width=100, sort_dicts=False)}",
        ]
        for title, bounds in (("bound", self.bound), ("late", self.late), ("other", [self.other])):
            for number, bound in enumerate(bounds):
                for name, turns in bound.turns.items():
                    how = "async " if name in bound.tasks else ""
                    told.append(f"{title} {number}: {how}{name} {list(turns)}")
        told += [f"program {number}: {op}" for number, op in enumerate(self.program)]
        return "\n".join(told)


# ------------------------------------------------------------------------------ making one


class Maker:
    """Draws everything of a case from one seeded source of chance."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = chance = random.Random(seed)
        self.names = self.draw_names()
        self.is_open = chance.random() < 0.08
        # Much goes wrong in some cases, little in others, so that long stories are told as well.
        self.trouble = chance.choice([0.0, 0.3, 1.0, 1.0, 2.0])
        self.has_queries = chance.random() < 0.5
        self.has_timeouts = chance.random() < 0.15

    def case(self) -> Case:
        chance = self.chance
        schema = self.draw_schema()
        bound = tuple([self.draw_bound() for _ in range(chance.choice([0, *[1] * 6, 2, 2, 2, 3]))])
        late = tuple([self.draw_bound() for _ in range(chance.choice([0, 1, 2]))])
        options: dict[str, Any] = {"catch_exceptions": chance.random() < 0.8}
        if chance.random() < 0.15:
            options["queue_limit"] = chance.choice([1, 2, 4])
        other = {name: self.draw_turns() for name in OTHER_HANDLERS if chance.random() < 0.5}
        return Case(
            seed=self.seed,
            schema=schema,
            bound=bound,
            late=late,
            other=Bound(other),
            program=tuple([self.outer_op() for _ in range(chance.randint(3, 12))]),
            options=options,
            look=chance.choice([0, 1, 2, 2]),
            is_open=self.is_open,
            is_shared=chance.random() < 0.7,
        )

    def draw_names(self) -> list[str]:
        chance = self.chance
        names = [*LETTERS[: chance.choice([2, 3, 3, 4, 4, 5, 6, 7])]]
        for special in SPECIAL:
            if len(names) > 2 and chance.random() < 0.12:
                names[chance.randrange(len(names))] = special
        return list(dict.fromkeys(names))

    def draw_schema(self) -> dict[str, dict[str, Any]]:
        chance = self.chance
        names = [*self.names]
        if chance.random() < 0.25:
            names.insert(chance.randint(0, len(names)), "Exception")
        density = chance.choice([0.03, 0.08, 0.12, 0.2])
        autos = chance.choice([0.0, 0.15, 0.4])
        schema: dict[str, dict[str, Any]] = {}
        for name in names:
            one: dict[str, Any] = {}
            for relation in ("require", "add", "remove", "after"):
                share = density / 3 if relation == "require" else density
                others = [other for other in names if other != name and chance.random() < share]
                if relation == "remove":
                    others = [o for o in others if o not in one.get("require", ())]
                if others:
                    one[relation] = others
            if chance.random() < autos and name != "Exception":
                one["auto"] = True
            if chance.random() < 0.25:
                one["multi"] = True
            schema[name] = one
        return schema

    def draw_bound(self) -> Bound:
        chance, names = self.chance, self.names
        known = [f"{s}{role}" for s in names for role in ("Enter", "Exit", "State", "End")]
        known += [f"{s}{role}" for s in names for role in ("Enter", "State", "State")]
        known += chance.sample([one + other for one in names for other in names], len(names))
        known += ["AnyEnter", "AnyState", "ExceptionState", "ExceptionEnter"]
        chosen = chance.sample(known, min(chance.choice([2, 4, 6, 10]), len(known)))
        turns = {name: self.draw_turns() for name in chosen}
        finals = [n for n in turns if n.endswith(("State", "End"))] if self.is_open else []
        tasks = frozenset([name for name in finals if chance.random() < 0.3])
        return Bound(turns, tasks)

    def draw_turns(self) -> Turns:
        return tuple([self.draw_turn() for _ in range(self.chance.choice([1, 1, 2, 3]))])

    def draw_turn(self) -> tuple[Op, ...]:
        chance, trouble = self.chance, self.trouble
        kind = chance.choices(
            ["accept", "true", "reject", "odd", "raise", "stop", "act"],
            [45, 4, 8, 0.7 * trouble, 8 * trouble, 1.2 * trouble, 34],
        )[0]
        acts = [self.inner_op() for _ in range(chance.choice([1, 1, 2, 3]))]
        match kind:
            case "true":
                return (("return", True),)
            case "reject":
                return (*(acts if chance.random() < 0.2 else ()), ("return", False))
            case "odd":
                return (("return", 1),)
            case "raise" | "stop":
                what = "LookupError" if kind == "raise" else "Stop"
                return (*(acts if chance.random() < 0.2 else ()), ("raise", what))
            case "act":
                return tuple(acts)
        return ()

    # ---------------------------------------------------------------- what is done

    def outer_op(self) -> Op:
        word = self.chance.choices(
            ["mutate", "check", "err", "wait", "drop", "cancel", "ctx", "bind", "detach", "other",
             "fork", "timeout", "limit", "dispose"],
            [40, 4, 2, 10, 2, 2, 3, 2, 2, 2, 4 if self.is_open else 0,
             1.5 if self.has_timeouts else 0, 0.5, 0.3],
        )[0]  # fmt: skip
        return self.op(word)

    def inner_op(self) -> Op:
        word = self.chance.choices(
            ["mutate", "check", "err", "wait", "drop", "cancel", "ctx", "bind", "detach", "other",
             "fork", "timeout", "limit", "dispose", "keep"],
            [16, 3, 2, 6, 1, 1, 3, 2, 2, 3, 2 if self.is_open else 0.1,
             5 if self.has_timeouts else 0, 0.6, 0.4, 2],
        )[0]  # fmt: skip
        return self.op(word)

    def op(self, word: str) -> Op:
        chance = self.chance
        match word:
            case "mutate":
                return self.mutation(
                    chance.choices(["add", "remove", "set", "toggle"], [8, 6, 2, 3])[0]
                )
            case "check":
                return self.mutation(chance.choice(["can_add", "can_add", "can_remove"]))
            case "err":
                error = chance.choice([None, *self.names]) if chance.random() < 0.4 else None
                return ("err", error, self.args())
            case "wait":
                return self.wait()
            case "ctx":
                return ("ctx", chance.choice(self.names))
            case "drop" | "cancel" | "bind" | "detach":
                return (word, chance.randint(0, 5))
            case "other":
                kind = chance.choice(["add", "add", "remove", "can_add"])
                return ("other", kind, chance.choice(list(OTHER)), self.args())
            case "fork":
                state = chance.choice([None, *self.names])
                inner = [chance.choice(["mutate", "err", "wait", "ctx", "bind", "detach", "other"])]
                return ("fork", state, tuple([self.op(one) for one in inner]))
            case "timeout":
                # Every call takes longer than the first, so no clock has to be set.
                return ("timeout", chance.choice([1e-9, 1e-9, 0]))
            case "limit":
                return ("limit", chance.choice([1, 3, 1000]))
        return (word,)

    def some(self, most: int = 3) -> list[str]:
        names = [*self.names, "Exception"] if self.chance.random() < 0.08 else self.names
        count = self.chance.choice([0, *[1] * 12, 2, 2, 2, 2, 3])
        return self.chance.sample(names, min(count, most, len(names)))

    def args(self) -> dict[str, Any]:
        return self.chance.choice([{}, {}, {}, {"n": 1}, {"n": 2, "x": None}])

    def mutation(self, kind: str) -> Op:
        return (kind, tuple(self.some()), self.args())

    def wait(self) -> Op:
        chance, names = self.chance, self.names
        one = chance.choice(names)
        kinds = ["when", "when_not", "when_any", "when_time", "when_ticks", "when_next_active",
                 "when_args", "when_args", "when_queue", "when_queue_ends", "when_err",
                 "when_disposed"]  # fmt: skip
        kind = chance.choice([*kinds, *["when_query"] * 3] if self.has_queries else kinds)
        match kind:
            case "when" | "when_not" | "when_any":
                return ("wait", kind, *chance.sample(names, chance.choice([1, 1, 2])))
            case "when_time":
                some = chance.sample(names, chance.choice([1, 2]))
                return ("wait", kind, {name: chance.randint(1, 7) for name in some})
            case "when_ticks":
                return ("wait", kind, one, chance.randint(0, 4))
            case "when_next_active":
                return ("wait", kind, one)
            case "when_args":
                return ("wait", kind, one, chance.choice([{}, {}, {"n": 1}, {"n": 2}, {"x": None}]))
            case "when_query":
                raises = chance.choice([None, None, None, "LookupError", "Stop"])
                return ("wait", kind, one, chance.choice([1, 1, 2, 2, 3, 5]), raises)
        return ("wait", kind)


def case_of(seed: int) -> Case:
    """The case of a seed, the same at each call."""
    return Maker(seed).case()


# ------------------------------------------------------------------------------ smaller ones


def _without(items: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    """The same in halves, then each time less one."""
    half = len(items) // 2
    if half > 1:
        yield items[:half]
        yield items[half:]
    for i in reversed(range(len(items))):
        yield items[:i] + items[i + 1 :]


def _smaller_bounds(bounds: tuple[Bound, ...]) -> Iterator[tuple[Bound, ...]]:
    for i, bound in enumerate(bounds):
        for name, turns in bound.turns.items():
            rest = {n: t for n, t in bound.turns.items() if n != name}
            yield (*bounds[:i], replace(bound, turns=rest), *bounds[i + 1 :])
            for j, turn in enumerate(turns):
                fewer = [turns[:j] + turns[j + 1 :]] if len(turns) > 1 else []
                fewer += [(*turns[:j], ops, *turns[j + 1 :]) for ops in _without(turn)]
                for less in fewer:
                    changed = {n: less if n == name else t for n, t in bound.turns.items()}
                    yield (*bounds[:i], replace(bound, turns=changed), *bounds[i + 1 :])


def _smaller_schemas(schema: dict[str, dict[str, Any]]) -> Iterator[dict[str, dict[str, Any]]]:
    for name, one in schema.items():
        for key in one:
            rest = {k: v for k, v in one.items() if k != key}
            yield {n: rest if n == name else v for n, v in schema.items()}


def _smaller(case: Case) -> Iterator[Case]:
    for program in _without(case.program):
        yield replace(case, program=program)
    for bound in _smaller_bounds(case.bound):
        yield replace(case, bound=bound)
    for late in _smaller_bounds(case.late):
        yield replace(case, late=late)
    for (other,) in _smaller_bounds((case.other,)):
        yield replace(case, other=other)
    for schema in _smaller_schemas(case.schema):
        yield replace(case, schema=schema)


def shrink(case: Case, is_wrong: Callable[[Case], bool], tries: int = 600) -> Case:
    """The smallest case found that is still wrong, by leaving out one thing after the other."""
    going_on = True
    while going_on:
        going_on = False
        for smaller in _smaller(case):
            tries -= 1
            if tries < 0:
                return case
            if is_wrong(smaller):
                case, going_on = smaller, True
                break
    return case
