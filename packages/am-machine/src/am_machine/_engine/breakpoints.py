"""Breakpoints: stopping by where a mutation that is looked for is queued."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from .._text import repr_of
from .._watch.log import LogLevel, emit, log_error
from .mutation import Kind, Mutation

if TYPE_CHECKING:
    from .machine import Machine

    # What an `add` adds, what a `remove` removes, and whether one that changes nothing is ignored.
    Breakpoint = tuple[tuple[int, ...], tuple[int, ...], bool]


def hit(machine: Machine, mutation: Mutation) -> None:
    """Tell of a mutation that was queued, if there is a breakpoint for it: once."""
    active = machine._conf.mask
    if any(_is_hit(point, mutation, active) for point in machine._breakpoints or ()):
        stack = "".join(traceback.format_stack()[:-2])
        emit(machine, LogLevel.CHANGES, f"[breakpoint] Machine.breakpoint\n{stack}")
        if machine.on_breakpoint is not None:
            try:
                machine.on_breakpoint(machine)
            except Exception as exc:
                log_error(machine, f"[breakpoint] on_breakpoint raised {repr_of(exc)}", exc)


def _is_hit(point: Breakpoint, mutation: Mutation, active: int) -> bool:
    added, removed, is_strict = point
    if mutation.kind == Kind.ADD:
        is_meant = bool(added) and mutation.indexes == added
        is_needless = all(active >> i & 1 for i in added)
    else:
        is_meant = bool(removed) and mutation.indexes == removed and mutation.kind == Kind.REMOVE
        is_needless = not any(active >> i & 1 for i in removed)
    return is_meant and not (is_strict and is_needless)
