"""One transition as spans tell it, whether it was read from a journal or seen by a tracer."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, NamedTuple

from .._hub.moves import EXCEPTION, HEALTH, Moves, error_types, moves_of, told_diff

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import am_machine as am

MAX_TEXT = 256
"""Characters of an argument that are kept, as journals have it."""


class Outline(NamedTuple):
    """What transitions of one form have in common."""

    label: str
    """How log lines call the mutation."""
    moves: Moves
    diff: str
    """The moves, as `+A +B -C`."""
    gained: int
    """Ticks that all states gained together."""
    aims_at_exception: bool
    """Whether `Exception` is in the target."""


class Facts(NamedTuple):
    """What is told of a transition that ended; times in nanoseconds since 1970."""

    id: str
    kind: str
    called: tuple[int, ...]
    is_auto: bool
    accepted: bool
    at: int
    before: Sequence[int]
    outline: Outline
    queue_tick: int
    source: am.Source | None
    args: Mapping[str, Any]
    """The logged arguments."""
    error: str | None
    """What names the error, if `Exception` was activated."""


def outline_of_entry(schema: am.Schema, entry: am.JournalEntry) -> Outline:
    """Tell what an entry of a journal has in common with others of its form."""
    moves = moves_of(entry.before, entry.changes)
    exception = schema.index[EXCEPTION]
    if entry.accepted:
        aims = exception < len(entry.after) and bool(entry.after[exception] & 1)
    else:
        names = schema.names
        active = [names[i] for i, tick in enumerate(entry.before) if tick & 1]
        called = [names[i] for i in entry.called]
        aims = EXCEPTION in schema.resolve(entry.kind, called, active, is_auto=entry.is_auto).target
    return _outline(schema, entry.kind, entry.called, entry.changes, moves, aims, entry.is_auto)


def _outline(
    schema: am.Schema,
    kind: str,
    called: Sequence[int],
    changes: Sequence[tuple[int, int]],
    moves: Moves,
    aims: bool,
    is_auto: bool,
) -> Outline:
    return Outline(
        label(schema, kind, called, is_auto=is_auto),
        moves,
        told_diff(schema.names, moves),
        sum([ticks for _, ticks in changes]),
        aims,
    )


def facts_of_entry(schema: am.Schema, entry: am.JournalEntry, outline: Outline) -> Facts:
    """Read them from a journal."""
    return Facts(
        id=entry.id,
        kind=entry.kind,
        called=entry.called,
        is_auto=entry.is_auto,
        accepted=entry.accepted,
        at=entry.at * 1000,
        before=entry.before,
        outline=outline,
        queue_tick=entry.queue_tick,
        source=entry.source,
        args=entry.args,
        error=error_of(schema, entry.called, outline.moves, entry.args),
    )


def facts_of_transition(transition: am.Transition, at: int) -> Facts:
    """Read them from a transition that is ending."""
    machine, mutation = transition.machine, transition.mutation
    schema, before = machine.schema, transition.time_before
    moves = moves_of(before, transition.changes)
    args = logged_args(machine, mutation)
    outline = _outline(
        schema,
        transition.kind,
        mutation.indexes,
        transition.changes,
        moves,
        EXCEPTION in transition.target,
        transition.auto,
    )
    return Facts(
        id=transition.id,
        kind=transition.kind,
        called=mutation.indexes,
        is_auto=transition.auto,
        accepted=transition.accepted,
        at=at,
        before=before,
        outline=outline,
        queue_tick=machine.queue_tick,
        source=transition.source,
        args=args,
        error=error_of(schema, mutation.indexes, moves, args),
    )


def error_of(
    schema: am.Schema, called: Sequence[int], moves: Moves, args: Mapping[str, Any]
) -> str | None:
    """Return what names the error of a transition that activated `Exception`."""
    exception = schema.index[EXCEPTION]
    if exception not in moves.entered and exception not in moves.again:
        return None
    return error_types(schema.names, called, moves, args)[0]


def logged_args(machine: am.BaseMachine, mutation: am.Mutation) -> dict[str, Any]:
    """Return the logged arguments of a mutation, as a journal keeps them."""
    if not mutation.args:
        return {}
    classes = machine.schema.args_classes
    more = [
        field.name
        for i in mutation.indexes
        if i in classes
        for field in fields(classes[i])
        if field.metadata.get("log")
    ]
    return {key: kept(value) for key, value in machine.log_args.chosen(mutation.args, more).items()}


def kept(value: Any) -> Any:
    """Return numbers, bools and None as they are, an error as type and message, else text."""
    if value is None or type(value) in (bool, int, float):
        return value
    try:
        text = (
            f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else str(value)
        )
    except Exception:
        text = f"<{type(value).__name__}>"
    return text[:MAX_TEXT]


def label(schema: am.Schema, kind: str, called: Sequence[int], *, is_auto: bool) -> str:
    """Return how log lines call a mutation: `[add] Foo`."""
    names = " ".join([schema.names[i] for i in called])
    return f"[{kind}:auto] {names}" if is_auto else f"[{kind}] {names}"


def is_health(schema: am.Schema, kind: str, called: Sequence[int]) -> bool:
    """Whether a mutation only shows that the machine is alive."""
    return kind == "add" and len(called) == 1 and schema.names[called[0]] in HEALTH


def attributes_of(facts: Facts, *, args: bool) -> dict[str, Any]:
    """Return the attributes of a transition's span."""
    outline, time = facts.outline, sum(facts.before)
    found: dict[str, Any] = {
        "am.tx.id": facts.id,
        "am.tx.mutation": facts.kind,
        "am.tx.auto": facts.is_auto,
        "am.tx.accepted": facts.accepted,
        "am.tx.time_before": time,
        "am.tx.time_after": time + outline.gained,
        "am.tx.states_diff": outline.diff,
        "am.tx.queue_tick": facts.queue_tick,
    }
    if args:
        # An attribute cannot be None.
        found |= {
            f"am.args.{key}": "None" if value is None else value
            for key, value in facts.args.items()
        }
    return found
