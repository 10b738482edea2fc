"""The outcome of relations alone, with names for indexes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .bits import bits_of
from .resolve import KINDS, REMOVE, accepts, entered, exited, resolve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .schema import Schema


class Resolution(NamedTuple):
    """The outcome of resolving a mutation by relations alone.

    `target` is the ordered set of states that would be active; `accepted` and `missing` (called
    states that are not in the target) tell whether the relations allow it; `enters` and `exits`
    are in the order in which their handlers would run.
    """

    kind: str
    called: tuple[str, ...]
    before: tuple[str, ...]
    target: tuple[str, ...]
    accepted: bool
    missing: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]


Resolution.__module__ = "am_machine"  # as users and pickles know it


def resolution(
    schema: Schema,
    kind: str,
    called: tuple[int, ...],
    before: int,
    *,
    is_auto: bool = False,
    is_check: bool = False,
) -> Resolution:
    """`resolve`, with names for indexes."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not one of add, remove, set")
    t = schema.tables
    names = schema.names
    active = bits_of(before)
    target = resolve(t, kind, called, before, active)
    target_mask = sum([t.bits[i] for i in target])
    missing = [i for i in called if not target_mask & t.bits[i]]
    ok = accepts(t, kind, called, len(missing), is_auto=is_auto, is_check=is_check)

    def named(indexes: Sequence[int]) -> tuple[str, ...]:
        return tuple([names[i] for i in indexes])

    return Resolution(
        kind=str(kind),
        called=named(called),
        before=named(active),
        target=named(target),
        accepted=ok,
        missing=() if kind == REMOVE else named(missing),
        enters=named(entered(t, kind, called, before, target)) if ok else (),
        exits=named(exited(t, before, target_mask)) if ok else (),
    )
