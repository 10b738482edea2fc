"""Plans: outcomes of resolution, kept.

The states active at one moment are a `Configuration`. It knows the plans of the mutations that were
made from it; each plan knows the configuration it leads to. So a machine walks a graph that is
built as it goes, and a mutation seen before costs one dictionary look-up by the tuple of its
arguments.

Bound: a book starts over when it holds `MAX_PLANS` plans. Starting over costs one resolution per
plan that is still in use, and no bookkeeping on the hot path, which a true LRU would need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._handlers import HandlerCall, HandlerTable
from ._resolve import ADD, REMOVE, SET, accepts, entered, exited, resolve
from ._result import CANCELED, EXECUTED, Result
from ._schema import bits_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._schema import Schema
    from ._story import Story

MAX_PLANS = 4096
# Kept per configuration: a program asks few different questions in each.
MAX_ANSWERS = 16
# Adding only these triggers no auto states: health pings are not progress.
HEALTH = frozenset(("Healthcheck", "Heartbeat"))


class Answers(dict[tuple[str, ...], bool]):
    """Whether all of some states are active, by the arguments of the question.

    A look-up answers what was asked before, and works out what was not.

    :raises KeyError: if a name is not a state.
    """

    __slots__ = ("_active", "_known")

    def __init__(self, active: frozenset[str], known: Mapping[str, int]) -> None:
        self._active = active
        self._known = known

    def __missing__(self, states: tuple[str, ...]) -> bool:
        for name in states:
            if name not in self._known:
                raise KeyError(name)
        answer = self._active.issuperset(states)
        if len(self) < MAX_ANSWERS:
            self[states] = answer
        return answer


class Configuration:
    """A set of active states, and the plans of mutations made from it."""

    __slots__ = (
        "active",
        "adds",
        "answers",
        "auto",
        "followed",
        "mask",
        "plans",
        "removes",
        "sets",
    )

    def __init__(self, mask: int, active: frozenset[str], known: Mapping[str, int]) -> None:
        self.mask = mask
        self.active = active
        self.answers = Answers(active, known)
        # By the arguments of the call, for mutations without keywords; `plans` has them all.
        self.adds: dict[tuple[str, ...], Plan] = {}
        self.removes: dict[tuple[str, ...], Plan] = {}
        self.sets: dict[tuple[str, ...], Plan] = {}
        self.plans: dict[tuple[str, tuple[int, ...], bool, bool], Plan] = {}
        # Updates that replicas followed from here, and the blips that they betray.
        self.followed: dict[object, tuple[Plan, int]] = {}
        # The auto mutation that follows, once it was looked for: None means there is none.
        self.auto: Plan | bool | None = False

    def forget(self) -> None:
        """Drop all plans; plans and configurations refer to each other in rings."""
        self.answers.clear()
        self.adds.clear()
        self.removes.clear()
        self.sets.clear()
        self.plans.clear()
        self.followed.clear()
        self.auto = False


class Plan:
    """All that a mutation will do from one configuration, but for what handlers decide."""

    __slots__ = (
        "accepted", "after", "before", "called", "called_mask", "changed", "continues", "direct",
        "enters",
        "exits", "finals", "increments", "is_auto", "is_check", "kind", "looks_for_auto", "missing",
        "noted", "one", "result", "simple", "story", "target", "votes",
    )  # fmt: skip

    kind: str
    called: tuple[int, ...]
    called_mask: int
    is_auto: bool
    is_check: bool
    accepted: bool
    missing: tuple[int, ...]
    before: Configuration
    target: tuple[int, ...]
    enters: tuple[int, ...]
    exits: tuple[int, ...]
    # (state index, ticks gained)
    increments: tuple[tuple[int, int], ...]
    # The state, if one gains one tick and no other any.
    one: int | None
    # Mask of the states whose tick moves.
    changed: int
    after: Configuration
    votes: tuple[HandlerCall, ...]
    finals: tuple[HandlerCall, ...]
    result: Result
    # Whether auto states are looked for afterwards, and whether there are any to try.
    looks_for_auto: bool
    continues: bool
    # How it was resolved, for those who listen; told when it is first wanted.
    story: Story | None
    # Whether nothing but clocks is concerned: accepted, no handler, no auto mutation after it.
    simple: bool
    # Whether it is accepted and has handlers, and is neither auto nor a check.
    direct: bool
    # Whether it would be one of these, but has to be noted in a journal.
    noted: bool

    def move(self, ticks: list[int]) -> None:
        """Add what is gained to the clocks."""
        for i, gained in self.increments:
            ticks[i] += gained


class PlanBook:
    """Plans of one schema and one set of bound handler names, shared by machines.

    Machines that keep a journal share others."""

    __slots__ = ("_calls", "_configurations", "_count", "_journaled", "handlers", "schema")

    def __init__(self, schema: Schema, handler_names: frozenset[str], journaled: bool) -> None:
        self.schema = schema
        self._journaled = journaled
        self.handlers = HandlerTable(schema, handler_names)
        self._configurations: dict[int, Configuration] = {}
        self._count = 0
        self._calls = 0

    def configuration(self, mask: int) -> Configuration:
        """The configuration of a set of active states."""
        found = self._configurations.get(mask)
        if found is None:
            if len(self._configurations) >= 2 * MAX_PLANS:
                # A replica is told its configurations without making plans.
                self._start_over()
            active = frozenset(self.schema.names_of(mask))
            found = Configuration(mask, active, self.schema.index)
            self._configurations[mask] = found
        return found

    def plan(
        self,
        mask: int,
        kind: str,
        called: tuple[int, ...],
        is_auto: bool = False,
        is_check: bool = False,
    ) -> Plan:
        """The plan of a mutation from a set of active states."""
        before = self._configurations.get(mask) or self.configuration(mask)
        key = (kind, called, is_auto, is_check)
        found = before.plans.get(key)
        if found is None:
            if self._count >= MAX_PLANS:
                self._start_over()
                before = self.configuration(mask)
            self._count += 1
            found = before.plans[key] = self._make(before, kind, called, is_auto, is_check)
        return found

    def plan_of_call(self, mask: int, kind: str, states: tuple[str, ...]) -> Plan:
        """The same for a call without keywords, remembered by its arguments.

        :raises UnknownStateError: if a name is not a state.
        """
        plan = self.plan(mask, kind, self.schema.indexes(states))
        if self._calls >= MAX_PLANS:
            self._start_over()
        else:
            self._calls += 1
            before = plan.before
            by_call = before.adds if kind == ADD else before.sets if kind == SET else before.removes
            by_call[states] = plan
        return plan

    def auto_after(self, configuration: Configuration) -> Plan | None:
        """The auto mutation that follows a change into this configuration, if any."""
        found = configuration.auto
        if found is False:
            called = self.auto_candidates(configuration.mask)
            found = self.plan(configuration.mask, ADD, called, is_auto=True) if called else None
            configuration.auto = found
        assert not isinstance(found, bool)
        return found

    def auto_part(self, mask: int, called: tuple[int, ...]) -> Plan:
        """What is left of an auto mutation once negotiation dropped some of its states."""
        before = self.configuration(mask)
        key = ("part", called, True, False)
        found = before.plans.get(key)
        if found is None:
            # It was accepted already, whatever comes of the rest.
            self._count += 1
            found = before.plans[key] = self._make(before, ADD, called, True, False, accepted=True)
        return found

    def auto_candidates(self, active: int) -> tuple[int, ...]:
        """Inactive auto states that no active state removes, in index order."""
        tables = self.schema.tables
        candidates = tables.auto & ~active
        if not candidates:
            return ()
        for i in bits_of(active & tables.removers):
            candidates &= ~tables.remove_mask[i]
        return tuple(bits_of(candidates))

    def keep_followed(self, key: object, plan: Plan, blips: int) -> None:
        """Remember what an update comes to: replicas are told the same ones again and again."""
        if self._count >= MAX_PLANS:
            self._start_over()
        else:
            self._count += 1
            plan.before.followed[key] = plan, blips

    def _start_over(self) -> None:
        for configuration in self._configurations.values():
            configuration.forget()
        self._configurations = {}
        self._count = self._calls = 0

    def _make(
        self,
        before: Configuration,
        kind: str,
        called: tuple[int, ...],
        is_auto: bool,
        is_check: bool,
        accepted: bool = False,
    ) -> Plan:
        tables = self.schema.tables
        bits = tables.bits
        mask = before.mask
        target = resolve(tables, kind, called, mask, bits_of(mask))
        target_mask = 0
        for i in target:
            target_mask |= bits[i]
        plan = Plan()
        plan.kind = kind
        plan.called = called
        plan.is_auto = is_auto
        plan.is_check = is_check
        plan.before = before
        plan.target = tuple(target)
        called_mask = 0
        for i in called:
            called_mask |= bits[i]
        plan.called_mask = called_mask
        missing = called_mask & ~target_mask
        plan.story = None
        plan.missing = (
            tuple([i for i in called if missing & bits[i]]) if missing and kind != REMOVE else ()
        )
        plan.accepted = accepted or accepts(
            tables, kind, called, len(plan.missing), is_auto=is_auto, is_check=is_check
        )
        self._fill(plan, target_mask)
        return plan

    def _fill(self, plan: Plan, target_mask: int) -> None:
        """The part that depends on acceptance: who is entered and left, ticks, handlers."""
        plan.enters = plan.exits = ()
        plan.increments = ()
        plan.one = None
        plan.changed = 0
        plan.votes = plan.finals = ()
        plan.after = plan.before
        plan.continues = plan.looks_for_auto = False
        plan.simple = plan.noted = plan.direct = False
        plan.result = CANCELED
        if not plan.accepted:
            return
        tables = self.schema.tables
        bits = tables.bits
        mask = plan.before.mask
        enters = entered(tables, plan.kind, plan.called, mask, plan.target)
        exits = exited(tables, mask, target_mask)
        plan.enters = tuple(enters)
        plan.exits = tuple(exits)
        plan.result = EXECUTED
        plan.votes = self.handlers.votes(plan.kind, exits, enters, plan.target, mask, bits)
        if plan.is_check:
            return
        again = plan.called_mask & tables.multi & mask & target_mask
        increments = [(i, 2 if again & bits[i] else 1) for i in enters]
        increments += [(i, 1) for i in exits]
        plan.increments = tuple(increments)
        if len(increments) == 1 and increments[0][1] == 1:
            plan.one = increments[0][0]
        plan.changed = (mask ^ target_mask) | again
        plan.after = self.configuration(target_mask)
        plan.finals = self.handlers.finals(exits, enters)
        if plan.is_auto:
            if target_mask.bit_count() <= mask.bit_count():
                plan.result = CANCELED
        elif plan.changed and not self._is_health_ping(plan):
            plan.looks_for_auto = True
            plan.continues = bool(self.auto_candidates(target_mask))
        handled = bool(plan.votes or plan.finals)
        plan.simple = not handled and not plan.continues
        plan.direct = handled and not plan.is_auto
        if self._journaled:
            plan.noted = plan.simple or plan.direct
            plan.simple = plan.direct = False

    def _is_health_ping(self, plan: Plan) -> bool:
        return (
            plan.kind == ADD
            and len(plan.called) == 1
            and self.schema.names[plan.called[0]] in HEALTH
        )
