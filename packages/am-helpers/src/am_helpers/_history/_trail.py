"""What moved from note to note. A machine may have thousands of states, of which a few move.

Runs in the writer's thread, which shares the interpreter with the machine, so it must be cheap: a
loop over all states in Python takes ten times as long as comparing slices of the ticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ._model import TransitionRecord
    from ._notes import Note

_BLOCK = 64  # near the square root of the largest schemas

Moves: TypeAlias = tuple[tuple[int, int, int], ...]
"""(index of a state, its tick now, what the noted transition added to it)"""


class Step(NamedTuple):
    """A note by what it changed since the one before."""

    id: int
    at: int
    kind: str
    size: int
    """How many states the machine had."""
    moves: Moves
    time_sum: int
    diff_sum: int
    queue_tick: int
    machine_tick: int
    transition: TransitionRecord | None


class Trail:
    """Turns the notes of one machine into steps, one after the other."""

    def __init__(self, ticks: tuple[int, ...]) -> None:
        """Begin at these ticks."""
        self.last = ticks
        self._sum = sum(ticks)
        self._blocks = _cut(ticks)

    def follow(self, note: Note) -> Step:
        """Go on to a note. What moved in between without being noted counts as moved, by 0."""
        after = note.after
        if len(after) > len(self.last):  # the machine grew
            self.last += (0,) * (len(after) - len(self.last))
            self._blocks = _cut(self.last)
        last, before = self.last, note.before
        moved = self._compare(after)
        gained: dict[int, int] = {}
        if before == last:  # mostly, and the elements are the same objects, so it is quick
            gained = {i: after[i] - last[i] for i in moved}
        else:
            before += (0,) * (len(after) - len(before))
            gained = {i: 0 for i in moved}
            gained |= {i: after[i] - before[i] for i in differing(before, after)}
        self._sum += sum([after[i] - last[i] for i in moved])
        self.last = after
        return Step(
            note.id,
            note.at,
            note.kind,
            len(after),
            tuple([(i, after[i], diff) for i, diff in gained.items()]),
            self._sum,
            sum(gained.values()),
            note.queue_tick,
            note.machine_tick,
            note.transition,
        )

    def _compare(self, after: tuple[int, ...]) -> list[int]:
        """Which ticks are others than the last ones; afterwards those are the last."""
        moved: list[int] = []
        blocks = self._blocks
        start = 0
        for number, block in enumerate(blocks):
            ticks = after[start : start + _BLOCK]
            if ticks != block:
                moved += [start + i for i, tick in enumerate(ticks) if tick != block[i]]
                blocks[number] = ticks
            start += _BLOCK
        return moved


def differing(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Return the indexes at which two tuples of the same length differ."""
    found: list[int] = []
    for start in range(0, len(after), _BLOCK):
        old, new = before[start : start + _BLOCK], after[start : start + _BLOCK]
        if old != new:
            found += [start + i for i, tick in enumerate(new) if tick != old[i]]
    return found


def _cut(ticks: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [ticks[start : start + _BLOCK] for start in range(0, len(ticks), _BLOCK)]
