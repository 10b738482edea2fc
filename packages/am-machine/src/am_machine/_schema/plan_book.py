"""The book of plans of one schema and one set of handlers.

It is bounded by an estimate of its memory, in two generations: what is asked for moves from the old
one to the young one; when enough was made anew the old one is dropped and they change places.
What was dropped is taken apart a few pieces at a time, for plans and configurations refer to each
other in rings. So no single call pays for the bound, and the walk itself keeps no books: a list of
uses, as an LRU needs it, would cost more than the rest of a look-up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._result import CANCELED, EXECUTED
from .bits import bits_of
from .handlers import HandlerTable
from .plans import CALL_BYTES, CLOCKS, HANDLERS, PLAN_BYTES, Call, Configuration, Plan
from .resolve import ADD, REMOVE, SET, accepts, entered, exited, resolve

if TYPE_CHECKING:
    from .schema import Schema

# Estimated bytes made anew until the old generation is dropped: a book holds twice as much; at most
# four times, if what is kept from generation to generation is much.
GENERATION_BYTES = 1_600_000
# Dropped configurations taken apart for each new plan.
_FORGOTTEN_AT_ONCE = 8
# Books kept per schema for machines yet to come; each belongs to one set of handler names.
MAX_BOOKS = 16
# Adding only these triggers no auto states: health pings are not progress.
HEALTH = frozenset(("Healthcheck", "Heartbeat"))


class PlanBook:
    """Plans of one schema and one set of bound handler names, shared by machines."""

    __slots__ = (
        "_arguments",
        "_calls",
        "_dropped",
        "_kept",
        "_made",
        "_old",
        "_one_tick",
        "_young",
        "handlers",
        "schema",
    )  # fmt: skip

    def __init__(self, schema: Schema, handler_names: frozenset[str]) -> None:
        self.schema = schema
        self.handlers = HandlerTable(schema, handler_names)
        self._young: dict[int, Configuration] = {}
        self._old: dict[int, Configuration] = {}
        # Estimated bytes of the young generation: made since the generations changed places, and
        # kept from the one before.
        self._made = self._kept = 0
        # Configurations of a dropped generation, not yet taken apart.
        self._dropped: list[Configuration] = []
        self._calls: dict[tuple[str, tuple[int, ...], bool, bool], Call] = {}
        self._arguments: dict[tuple[str, ...], tuple[str, ...]] = {}
        # The increments of plans that move one clock by one tick, made when first wanted.
        self._one_tick: dict[int, tuple[tuple[int, int], ...]] = {}

    # ---------------------------------------------------------------- look-ups

    def configuration(self, mask: int) -> Configuration:
        """The configuration of a set of active states."""
        found = self._young.get(mask)
        if found is None:
            found = self._old.pop(mask, None)
            if found is None:
                found = Configuration(mask)
                self._made += found.size
            else:
                self._kept += found.size
            self._young[mask] = found
        return found

    def plan_of_call(self, mask: int, kind: str, states: tuple[str, ...]) -> Plan:
        """The plan of a mutation from a set of active states, remembered by its arguments.

        :raises UnknownStateError: if a name is not a state.
        """
        before = self.configuration(mask)
        by_call = before.adds if kind == ADD else before.sets if kind == SET else before.removes
        plan = by_call.get(states)
        if plan is None:
            plan = self._make(before, kind, self.schema.indexes(states))
            # All configurations share the tuple.
            before.keep(kind, self._arguments.setdefault(states, states), plan)
        return plan

    def check(self, mask: int, kind: str, called: tuple[int, ...]) -> Plan:
        """The plan of a dry run."""
        return self._other(mask, kind, called, "check")

    def auto(self, mask: int, called: tuple[int, ...]) -> Plan:
        """The plan of an auto mutation."""
        return self._other(mask, ADD, called, "auto")

    def auto_after(self, after: Configuration) -> Plan | None:
        """The auto mutation that is tried after a change into this configuration, if any."""
        if not after.is_auto_known:
            called = self.auto_candidates(after.mask)
            after.auto = self._other(after.mask, ADD, called, "auto") if called else None
            after.is_auto_known = True
        return after.auto

    def auto_part(self, mask: int, called: tuple[int, ...]) -> Plan:
        """What is left of an auto mutation once negotiation dropped some of its states."""
        return self._other(mask, ADD, called, "part")

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
        before = self.configuration(plan.before.mask)
        if before.followed is None:
            before.followed = {}
        before.followed[key] = plan, blips
        self._grow(before, plan)

    def _other(self, mask: int, kind: str, called: tuple[int, ...], what: str) -> Plan:
        before = self.configuration(mask)
        key = (kind, called, what)
        found = before.others.get(key) if before.others is not None else None
        if found is None:
            found = self._make(
                before,
                kind,
                called,
                is_auto=what != "check",
                is_check=what == "check",
                # A part was accepted already, whatever comes of the rest.
                is_accepted=what == "part",
            )
            # Making it may have had the configuration forgotten.
            if before.others is None:
                before.others = {}
            before.others[key] = found
        return found

    # ---------------------------------------------------------------- the bound

    def _grow(self, configuration: Configuration, plan: Plan) -> None:
        size = PLAN_BYTES + 12 * len(plan.increments) + 4 * (plan.changed.bit_length() // 30)
        configuration.size += size
        self._made += size
        dropped = self._dropped
        if dropped:
            for old in dropped[-_FORGOTTEN_AT_ONCE:]:
                old.forget()
            del dropped[-_FORGOTTEN_AT_ONCE:]
        if self._made > GENERATION_BYTES or self._made + self._kept > 2 * GENERATION_BYTES:
            dropped += self._old.values()
            self._old, self._young = self._young, {}
            self._made = self._kept = 0
            self._young[configuration.mask] = self._old.pop(configuration.mask, configuration)
            self._calls.clear()
            self._arguments.clear()

    # ---------------------------------------------------------------- making

    def _call_of(self, kind: str, called: tuple[int, ...], is_auto: bool, is_check: bool) -> Call:
        key = (kind, called, is_auto, is_check)
        found = self._calls.get(key)
        if found is None:
            bits, mask = self.schema.bits, 0
            for i in called:
                mask |= bits[i]
            found = self._calls[key] = Call(kind, called, mask, is_auto, is_check)
            self._made += CALL_BYTES + 32 * len(called)
        return found

    def _make(
        self,
        before: Configuration,
        kind: str,
        called: tuple[int, ...],
        is_auto: bool = False,
        is_check: bool = False,
        is_accepted: bool = False,
    ) -> Plan:
        tables = self.schema.tables
        mask = before.mask
        call = self._call_of(kind, called, is_auto, is_check)
        plan = Plan()
        plan.call = call
        plan.before = before
        plan.trace = None
        target: list[int] | None = None
        if tables.are_free(mask | call.mask):
            target_mask = (
                mask & ~call.mask
                if kind == REMOVE
                else call.mask | mask
                if kind == ADD
                else call.mask
            )
        else:
            target = resolve(tables, kind, called, mask, bits_of(mask))
            bits, target_mask = tables.bits, 0
            for i in target:
                target_mask |= bits[i]
        plan._target = tuple(target) if target is not None and len(target) <= 8 else None
        missing = call.mask & ~target_mask if kind != REMOVE else 0
        plan.missing = tuple([i for i in called if missing >> i & 1]) if missing else ()
        plan.accepted = is_accepted or accepts(
            tables, kind, called, len(plan.missing), is_auto=is_auto, is_check=is_check
        )
        self._fill(plan, target, target_mask)
        self._grow(before, plan)
        return plan

    def _fill(self, plan: Plan, target: list[int] | None, target_mask: int) -> None:
        """The part that depends on acceptance: who is entered and left, ticks, handlers."""
        plan.enters = plan.exits = ()
        plan.increments = ()
        plan.gained = 0
        plan.one = plan.fast = plan.fast_checked = plan.quick = None
        plan.changed = 0
        plan.votes = plan.finals = ()
        plan.after = plan.before
        plan.continues = False
        plan.result = CANCELED
        if not plan.accepted:
            return
        call, tables, handlers = plan.call, self.schema.tables, self.handlers
        bits, mask = tables.bits, plan.before.mask
        again = call.mask & tables.multi & mask & target_mask
        changed = (mask ^ target_mask) | again
        plan.result = EXECUTED
        if call.is_auto and target_mask.bit_count() <= mask.bit_count():
            plan.result = CANCELED
        if target is None and changed.bit_count() == 1 and not handlers.any:
            # By far the most plans there are move one clock.
            i = changed.bit_length() - 1
            if changed & target_mask:
                plan.enters = self.schema.singles[i]
            else:
                plan.exits = self.schema.singles[i]
        else:
            order = target if target is not None else self.target_of(plan)
            plan.enters = tuple(entered(tables, call.kind, call.indexes, mask, order))
            plan.exits = tuple(exited(tables, mask, target_mask))
            if handlers.any:
                plan.votes = handlers.votes(call.kind, plan.exits, plan.enters, order, mask, bits)
        if call.is_check:
            return
        plan.changed = changed
        if changed:
            if changed.bit_count() == 1 and not again:
                plan.one = changed.bit_length() - 1
                plan.changed = bits[plan.one]  # the object that all share
                plan.increments = self._one(plan.one)
                plan.gained = 1
            else:
                plan.increments = (
                    *[(i, 2 if again & bits[i] else 1) for i in plan.enters],
                    *[(i, 1) for i in plan.exits],
                )
                plan.gained = sum([gained for _, gained in plan.increments])
            plan.after = self.configuration(target_mask)
        if handlers.any:
            plan.finals = handlers.finals(plan.exits, plan.enters)
        if call.is_auto:
            return
        if self.looks_for_auto(plan):
            auto = self.auto_after(plan.after)
            plan.continues = auto is not None and not self._is_idle(auto)
        if not call.mask & self.schema.exception:
            needs_more = plan.votes or plan.finals or plan.continues
            plan.fast_checked = HANDLERS if needs_more else CLOCKS
            if call.kind == REMOVE or not call.mask & self.schema.typed:
                plan.fast = plan.fast_checked
                plan.quick = plan.one if plan.fast is CLOCKS else None

    def _one(self, i: int) -> tuple[tuple[int, int], ...]:
        found = self._one_tick.get(i)
        if found is None:
            found = self._one_tick[i] = ((i, 1),)
        return found

    def looks_for_auto(self, plan: Plan) -> bool:
        """Whether auto states are looked for after an executed mutation."""
        call = plan.call
        return bool(
            self.schema.tables.auto
            and plan.changed
            and not call.is_auto
            and not (
                call.kind == ADD
                and len(call.indexes) == 1
                and self.schema.names[call.indexes[0]] in HEALTH
            )
        )

    def _is_idle(self, auto: Plan) -> bool:
        """Whether an auto mutation comes to nothing, and calls nobody on the way."""
        if not auto.accepted:
            return True
        if auto.votes or auto.finals:
            return False
        if auto.missing:
            left = tuple([i for i in auto.called if i not in auto.missing])
            auto = self.auto_part(auto.before.mask, left)
        return not (auto.changed or auto.finals)

    def target_of(self, plan: Plan) -> tuple[int, ...]:
        """The ordered target of a plan; kept once it was asked for."""
        target = plan._target
        if target is None:
            mask = plan.before.mask
            found = resolve(self.schema.tables, plan.kind, plan.called, mask, bits_of(mask))
            target = plan._target = tuple(found)
        return target


def plans_of(schema: Schema, handlers: frozenset[str]) -> PlanBook:
    """The plans of all machines with this schema and this set of handler names."""
    books = schema.books
    book: PlanBook | None = books.get(handlers)
    if book is None:
        if len(books) >= MAX_BOOKS:
            # The oldest goes; machines that use it keep it alive.
            del books[next(iter(books))]
        book = books[handlers] = PlanBook(schema, handlers)
    return book
