"""The resolution of a mutation with its reasons, as data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .._errors import HandlerError
from .bits import bits_of
from .handlers import HandlerTable, read_handler_name
from .resolve import ADD, KINDS, REMOVE, accepts, entered, exited, resolve
from .steps import Step, StepKind, StepRecorder, handler_step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .handlers import HandlerCall
    from .schema import Schema


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a mutation comes out as it does. States are names, in the orders of the resolution.

    `is_accepted` tells the outcome, `reasons` say it in sentences, the most decisive first; if it
    is accepted they tell what else of the called states happens. `missing` are called states that
    are not in the `target`. `removed_by` has the states that were removed with those that did it,
    `requires` the states that were dropped with the inactive ones that they require, `added_by` the
    implied states with those that imply them. `handlers` are the bound handlers in the order in
    which they would be called, `vetoed` those that voted against, `failed` the one that raised.
    `steps` are those of a transition.
    """

    __module__ = "am_machine"  # as users and pickles know it

    kind: str
    called: tuple[str, ...]
    before: tuple[str, ...]
    target: tuple[str, ...]
    is_accepted: bool
    is_auto: bool
    is_check: bool
    missing: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]
    removed_by: Mapping[str, tuple[str, ...]]
    requires: Mapping[str, tuple[str, ...]]
    added_by: Mapping[str, tuple[str, ...]]
    handlers: tuple[str, ...]
    vetoed: tuple[str, ...]
    failed: str | None
    reasons: tuple[str, ...]
    steps: tuple[Step, ...]
    state_names: tuple[str, ...]
    """All states of the schema in index order, to read the indexes of `steps` by."""

    def __str__(self) -> str:
        return "; ".join(self.reasons)


class _Reasons:
    """A `Witness` that keeps who did what to whom, beside the steps."""

    def __init__(self, recorder: StepRecorder) -> None:
        self._recorder = recorder
        self.added_by: dict[int, list[int]] = {}
        self.requires: dict[int, Sequence[int]] = {}
        self.removed_by: dict[int, Sequence[int]] = {}
        self.listed = recorder.listed
        self.required = recorder.required
        self.ordered = recorder.ordered

    def implied(self, owner: int, states: Sequence[int]) -> None:
        """`owner` adds `states`."""
        for state in states:
            owners = self.added_by.setdefault(state, [])
            if owner not in owners:
                owners.append(owner)
        self._recorder.implied(owner, states)

    def dropped(self, state: int, missing: Sequence[int]) -> None:
        """`state` goes, because required states are missing."""
        self.requires.setdefault(state, missing)

    def blocked(self, state: int, removers: Sequence[int], blockers: Sequence[int]) -> None:
        """`state` goes, because others remove it."""
        self.removed_by.setdefault(state, blockers)
        self._recorder.blocked(state, removers, blockers)


def explain(
    schema: Schema,
    kind: str,
    called: tuple[int, ...],
    before: int,
    *,
    handlers: Sequence[str] = (),
    vetoed: Sequence[str] = (),
    failed: str | None = None,
    is_auto: bool = False,
    is_check: bool = False,
) -> Explanation:
    """See `Schema.explain`; states are indexes here."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not one of add, remove, set")
    t, names = schema.tables, schema.names
    active = bits_of(before)
    recorder = StepRecorder(names, [], called, before)
    found = _Reasons(recorder)
    target = resolve(t, kind, called, before, active, found)
    target_mask = sum([t.bits[i] for i in target])
    missing = [i for i in called if not target_mask & t.bits[i]] if kind != REMOVE else []
    by_relations = accepts(t, kind, called, len(missing), is_auto=is_auto, is_check=is_check)
    steps = recorder.steps
    enters: list[int] = []
    exits: list[int] = []
    calls: list[HandlerCall] = []
    is_left = True
    if by_relations:
        enters = entered(t, kind, called, before, target)
        exits = exited(t, before, target_mask)
        table = HandlerTable(schema, [name for name in handlers if _is_handler(schema, name)])
        if is_auto:
            negotiation = _AutoNegotiation(schema, table, vetoed, failed)
            calls, target = negotiation.run(called, before, target, enters, exits, missing)
            is_left = negotiation.is_left
            target_mask = sum([t.bits[i] for i in target])
            enters = entered(t, kind, called, before, target)
            exits = exited(t, before, target_mask)
            missing = [i for i in called if not target_mask & t.bits[i]]
            has_ended = negotiation.has_ended
        else:
            calls = [*table.votes(kind, exits, enters, target, before, t.bits)]
            has_ended = False
        if not (is_check or has_ended):
            calls += table.finals(exits, enters)
        for call in calls:
            steps.append(handler_step(names, call))
            if (call.name in vetoed and not is_auto) or call.name == failed:
                break
    else:
        steps += [Step(names, StepKind.CANCEL, to_state=i) for i in missing]

    def named(indexes: Sequence[int]) -> tuple[str, ...]:
        return tuple([names[i] for i in indexes])

    def named_all(pairs: Mapping[int, Sequence[int]]) -> dict[str, tuple[str, ...]]:
        return {names[i]: named(others) for i, others in pairs.items()}

    return Explanation(
        kind=str(kind),
        called=named(called),
        before=named(active),
        target=named(target),
        is_accepted=by_relations and failed is None and (is_left if is_auto else not vetoed),
        is_auto=is_auto,
        is_check=is_check,
        missing=named(missing),
        enters=named(enters),
        exits=named(exits),
        removed_by=named_all(found.removed_by),
        requires=named_all(found.requires),
        added_by=named_all(found.added_by),
        handlers=tuple([call.name for call in calls]),
        vetoed=tuple(vetoed),
        failed=failed,
        reasons=tuple(_sentences(names, found, called, before, target_mask, vetoed, failed, kind)),
        steps=tuple(steps),
        state_names=names,
    )


def _is_handler(schema: Schema, name: str) -> bool:
    """Whether a name is that of a handler; one with two readings cannot have been bound."""
    try:
        return read_handler_name(schema, name) is not None
    except HandlerError:
        return False


class _AutoNegotiation:
    """The votes on an auto mutation, which may come through in part: a veto by a handler of an auto
    state drops that state, others cancel the whole."""

    def __init__(
        self, schema: Schema, table: HandlerTable, vetoed: Sequence[str], failed: str | None
    ) -> None:
        self._schema = schema
        self._table = table
        self._vetoed = vetoed
        self._failed = failed
        self._calls: list[HandlerCall] = []
        self._dropped = 0
        # Whether something of it goes on, and whether no final handler is called.
        self.is_left = True
        self.has_ended = False

    def run(
        self,
        called: Sequence[int],
        before: int,
        target: list[int],
        enters: Sequence[int],
        exits: Sequence[int],
        missing: Sequence[int],
    ) -> tuple[list[HandlerCall], list[int]]:
        """The handlers that are called, and the target that is left."""
        table, bits = self._table, self._schema.tables.bits
        going = self._ask(table.exits(exits), is_whole=True)
        for stage in ("enters", "selfs", "pairs"):
            if not going:
                break
            left = [i for i in target if not self._dropped & bits[i]]
            if stage == "enters":
                votes = table.enters([i for i in enters if not self._dropped & bits[i]])
            elif stage == "selfs":
                votes = table.selfs(left, before, bits)
            else:
                votes = table.pairs(before, left)
            going = self._ask(votes)
        left = [i for i in target if not self._dropped & bits[i]]
        if not (going and left and self._ask(table.any_enter(), is_whole=True)):
            self.is_left, self.has_ended = False, True
            return self._calls, target
        if not (self._dropped or missing):
            return self._calls, target
        goal = set(left)
        rest = tuple([i for i in called if i in goal])
        tables = self._schema.tables
        return self._calls, resolve(tables, ADD, rest, before, bits_of(before))

    def _ask(self, votes: Sequence[HandlerCall], *, is_whole: bool = False) -> bool:
        """Whether the negotiation goes on. Each stage goes over its list as it was."""
        tables = self._schema.tables
        for vote in votes:
            self._calls.append(vote)
            if vote.name == self._failed:
                return False
            if vote.name in self._vetoed:
                bit = tables.bits[vote.state] if vote.state >= 0 else 0
                if is_whole or not tables.auto & bit:
                    return False
                self._dropped |= bit
        return True


def _sentences(
    names: Sequence[str],
    found: _Reasons,
    called: Sequence[int],
    before: int,
    target: int,
    vetoed: Sequence[str],
    failed: str | None,
    kind: str,
) -> list[str]:
    """What kept called states out, else what became of the mutation."""
    told: list[str] = []
    seen: set[int] = set()
    if kind != REMOVE:
        for i in called:
            if not target >> i & 1:
                _why_absent(names, found, i, before, target, told, seen)
    told += [f"{name} voted against it" for name in vetoed]
    if failed is not None:
        told.append(f"{failed} raised")
    if told:
        return told
    changed = [
        *[f"{names[i]} becomes active" for i in bits_of(target & ~before)],
        *[f"{names[i]} becomes inactive{_by(names, found, i)}" for i in bits_of(before & ~target)],
    ]
    return changed or ["nothing changes"]


def _why_absent(
    names: Sequence[str],
    found: _Reasons,
    state: int,
    before: int,
    target: int,
    told: list[str],
    seen: set[int],
) -> None:
    """Why a state is not in the target, and then why those are not that it requires."""
    if state in seen:
        return
    seen.add(state)
    name = names[state]
    if state in found.removed_by:
        by = _joined(names, found.removed_by[state])
        told.append(f"{name} was dropped: it is removed by {by}")
    elif state in found.requires:
        missing = found.requires[state]
        inactive = [i for i in missing if not before >> i & 1]
        which = _joined(names, missing)
        gone = "inactive" if len(inactive) == len(missing) else "leaving"
        verb = "is" if len(missing) == 1 else "are"
        told.append(f"{name} was dropped: it requires {which}, which {verb} {gone}")
        for other in missing:
            if other in found.removed_by or other in found.requires:
                _why_absent(names, found, other, before, target, told, seen)
    else:
        told.append(f"{name} was dropped: another state that is kept removes it")


def _by(names: Sequence[str], found: _Reasons, state: int) -> str:
    if state in found.removed_by:
        return f": removed by {_joined(names, found.removed_by[state])}"
    if state in found.requires:
        return f": it requires {_joined(names, found.requires[state])}"
    return ""


def _joined(names: Sequence[str], states: Sequence[int]) -> str:
    told = [names[i] for i in states]
    return told[0] if len(told) == 1 else ", ".join(told[:-1]) + f" and {told[-1]}"
