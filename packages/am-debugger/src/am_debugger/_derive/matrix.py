"""A transition as a square: which states acted on which."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from am_machine import StepKind

if TYPE_CHECKING:
    from .steps import Parsed

CODES = {
    StepKind.RELATION: 1,
    StepKind.HANDLER: 2,
    StepKind.ACTIVATE: 4,
    StepKind.DEACTIVATE: 8,
    StepKind.DEACTIVATE_PASSIVE: 16,
    StepKind.CALLED: 32,
    StepKind.CANCEL: 64,
}
"""What a step of each kind adds to its cell."""


class Matrix(NamedTuple):
    """States are indexes. A cell without steps is left out."""

    called: frozenset[int]
    gained: dict[int, int]
    """Ticks by state."""
    cells: dict[tuple[int, int], int]
    """(target, source): the sum of the codes of the steps between them. Where a step names one
    state, it is both."""


def matrix_of(parsed: Parsed) -> Matrix:
    """The square of a transition."""
    cells: dict[tuple[int, int], int] = {}
    for step in parsed.steps:
        ends = [one for one in (step.to_state, step.from_state) if one is not None]
        if ends:
            cell = (ends[0], ends[-1])
            cells[cell] = cells.get(cell, 0) + CODES[step.kind]
    return Matrix(frozenset(parsed.tx.called), dict(parsed.tx.changes), cells)
