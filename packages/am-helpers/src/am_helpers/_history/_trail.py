"""Steps, which tell what moved; and how notes of all clocks become steps. A machine may have
thousands of states, of which a few move.

Runs in the writer's thread, which shares the interpreter with the machine, so it must be cheap: a
loop over all states in Python takes ten times as long as comparing slices of the ticks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._model import TransitionRecord
    from ._notes import Note

_PART = 64  # ticks that are compared at once, near the square root of the largest schemas
_MANY = 200  # moving states, with which looking at all of them is quicker

Moves: TypeAlias = tuple[tuple[int, int, int], ...]
"""(index of a state, its tick now, what the noted transition added to it)"""


class Step(NamedTuple):
    """A transition to be recorded, by what moved since the one before."""

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
        self._last = ticks
        self._sum = sum(ticks)
        self._queue_tick, self._machine_tick = queue_tick, machine_tick

    def follow(self, notes: Sequence[Note]) -> list[Step]:
        """Go on to these notes. What moved in between without being noted moved by 0.

        Clocks only go up. So a state that has the same tick at the first and at the last of many
        notes has not moved in any of them, and need not be looked at each time.
        """
        if not notes or not self._is_steady(notes):
            return [self._step(note, self._look(note)) for note in notes]
        final = notes[-1].after
        moving = differing(self._last, final)
        if len(moving) > _MANY:
            return [self._step(note, differing(self._last, note.after)) for note in notes]
        steps = []
        for note in notes:
            last, after = self._last, note.after
            steps.append(self._step(note, [i for i in moving if after[i] != last[i]]))
        return steps

    def _is_steady(self, notes: Sequence[Note]) -> bool:
        """Whether it can be seen that the machine neither grew nor began anew."""
        queue_tick, size = self._queue_tick, len(self._last)
        for note in notes:
            if (
                note.queue_tick <= queue_tick
                or note.machine_tick != self._machine_tick
                or len(note.before) != size
                or len(note.after) != size
            ):
                return False
            queue_tick = note.queue_tick
        return True

    def _look(self, note: Note) -> list[int]:
        """What moved since the last note, or by this one, as far as the machine has grown."""
        after, size = note.after, len(note.after)
        self._last += (0,) * (size - len(self._last))
        before = note.before + (0,) * (size - len(note.before))
        moved = differing(self._last, after)
        if before != self._last:
            moved = sorted({*moved, *differing(before, after)})
        return moved

    def _step(self, note: Note, moved: list[int]) -> Step:
        after, before, last = note.after, note.before, self._last
        known = len(before)
        moves = tuple([(i, after[i], after[i] - (before[i] if i < known else 0)) for i in moved])
        self._sum += sum([after[i] - last[i] for i in moved])
        self._last, self._queue_tick, self._machine_tick = (
            after,
            note.queue_tick,
            note.machine_tick,
        )
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


def differing(before: tuple[int, ...], after: tuple[int, ...]) -> list[int]:
    """Return the indexes at which two tuples of the same length differ, in order."""
    found: list[int] = []
    for start in range(0, len(after), _PART):
        old, new = before[start : start + _PART], after[start : start + _PART]
        if old != new:
            found += [start + i for i, tick in enumerate(new) if tick != old[i]]
    return found
