"""What moved from note to note. A machine may have thousands of states, of which a few move.

Runs in the writer's thread, which shares the interpreter with the machine, so it must be cheap: a
loop over all states in Python takes ten times as long as comparing slices of the ticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from ._model import TransitionRecord
    from ._notes import Note

_BLOCK, _PART = 256, 16  # slices are compared, then slices of those that differ

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

    def __init__(self, ticks: tuple[int, ...], queue_tick: int, machine_tick: int) -> None:
        """Begin at these clocks."""
        self.last = ticks
        self._sum = sum(ticks)
        self._blocks = _cut(ticks)
        self._queue_tick, self._machine_tick = queue_tick, machine_tick

    def follow(self, note: Note) -> Step:
        """Go on to a note. What moved in between without being noted counts as moved, by 0."""
        after, before = note.after, note.before
        if len(after) > len(self.last):  # the machine grew
            self.last += (0,) * (len(after) - len(self.last))
            self._blocks = _cut(self.last)
        if len(after) > len(before):
            before += (0,) * (len(after) - len(before))
        moved = self._compare(after)
        last = self.last
        self._sum += sum([after[i] - last[i] for i in moved])
        if note.queue_tick <= self._queue_tick or note.machine_tick != self._machine_tick:
            # The source of a replica began anew, perhaps. Else clocks only go up, so that what
            # stands where it stood has not moved; there is no need to look at all ticks before.
            moved = sorted({*moved, *differing(before, after)})
        self.last, self._queue_tick, self._machine_tick = after, note.queue_tick, note.machine_tick
        moves = tuple([(i, after[i], after[i] - before[i]) for i in moved])
        return Step(
            note.id,
            note.at,
            note.kind,
            len(after),
            moves,
            self._sum,
            sum([diff for _, _, diff in moves]),
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
                moved += [start + i for i in differing(block, ticks)]
                blocks[number] = ticks
            start += _BLOCK
        return moved


def differing(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Return the indexes at which two tuples of the same length differ."""
    found: list[int] = []
    for start in range(0, len(after), _PART):
        old, new = before[start : start + _PART], after[start : start + _PART]
        if old != new:
            found += [start + i for i, tick in enumerate(new) if tick != old[i]]
    return found


def _cut(ticks: tuple[int, ...]) -> list[tuple[int, ...]]:
    return [ticks[start : start + _BLOCK] for start in range(0, len(ticks), _BLOCK)]
