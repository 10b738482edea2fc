"""What a transition came to, told from the clocks that it moved. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

HEALTH = frozenset(("Healthcheck", "Heartbeat"))
"""States that are called again and again to show that a machine is alive."""
EXCEPTION = "Exception"
ERR = "Err"
"""Names of error states begin with this."""


class Moves(NamedTuple):
    """State indexes by what happened to them, each in index order."""

    entered: tuple[int, ...]
    """Inactive before, active after."""
    left: tuple[int, ...]
    """Active before, inactive after."""
    again: tuple[int, ...]
    """Active before and after, entered again in between."""
    blinked: tuple[int, ...]
    """Inactive before and after, active in between."""
    last: tuple[int, ...] = ()
    """Those of `left` that were entered again before they were left."""

    @property
    def added(self) -> tuple[int, ...]:
        """States that were activated and are active after it, as `Transition.added` has them."""
        return tuple(sorted((*self.entered, *self.again)))

    @property
    def removed(self) -> tuple[int, ...]:
        """States whose clock moved and that are inactive after it, as `Transition.removed`."""
        return tuple(sorted((*self.left, *self.blinked)))


def moves_of(before: Sequence[int], changes: Iterable[tuple[int, int]]) -> Moves:
    """Tell what (state index, ticks gained) came to, from the ticks before it.

    One state may be listed more than once: what it gained is added up. States that `before` does
    not have yet are at 0.
    """
    gains: dict[int, int] = {}
    for i, gained in changes:
        gains[i] = gains.get(i, 0) + gained
    found: tuple[list[int], list[int], list[int], list[int]] = ([], [], [], [])
    last = []
    for i in sorted(gains):
        gained = gains[i]
        if not gained:
            continue
        was_active = before[i] & 1 if i < len(before) else 0
        if gained & 1:
            found[1 if was_active else 0].append(i)
            if was_active and gained > 2:
                last.append(i)
        else:
            found[2 if was_active else 3].append(i)
    entered, left, again, blinked = [tuple(one) for one in found]
    return Moves(entered, left, again, blinked, tuple(last))


def difference(before: Sequence[int], after: Sequence[int]) -> list[tuple[int, int]]:
    """Return (state index, ticks gained) between two readings; the later one may be longer."""
    known = len(before)
    return [
        (i, tick - (before[i] if i < known else 0))
        for i, tick in enumerate(after)
        if i >= known or tick != before[i]
    ]


def told_diff(names: Sequence[str], moves: Moves) -> str:
    """Write moves as `+A +B -C`."""
    added = [f"+{names[i]}" for i in moves.added]
    return " ".join([*added, *[f"-{names[i]}" for i in moves.removed]])


def error_class(args: Mapping[str, Any]) -> str | None:
    """Return the class name of the logged argument `err`: text such as `OSError: no such file`."""
    err = args.get("err")
    if isinstance(err, BaseException):
        return type(err).__name__
    if not isinstance(err, str):
        return None
    name = err.partition(":")[0]
    return name if name.isidentifier() else None


def error_types(
    names: Sequence[str],
    called: Sequence[int],
    moves: Moves,
    args: Mapping[str, Any],
) -> tuple[str, ...]:
    """Return what names the errors that an accepted transition told of, one name for each.

    Error states that it activated; else, if it activated `Exception` or called it while that was
    active, the class of the exception, or `Exception` where that is not known.
    """
    activated = moves.added
    states = tuple([names[i] for i in activated if names[i].startswith(ERR)])
    if states:
        return states
    if any([names[i] == EXCEPTION for i in activated]):
        return (error_class(args) or EXCEPTION,)
    if "err" in args and any([i < len(names) and names[i] == EXCEPTION for i in called]):
        return (error_class(args) or EXCEPTION,)
    return ()
