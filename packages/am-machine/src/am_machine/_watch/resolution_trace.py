"""The trace of a plan: log lines and steps that tell how a mutation was resolved.

It is made by resolving once more before a witness, and kept on the plan, so that listening costs
little where the same mutations come again; plans of a machine that nobody listens to have none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._schema.bits import bits_of
from .._schema.resolve import resolve
from .._schema.steps import Step, StepKind, StepRecorder
from .log import LogLevel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .._schema.plans import Plan
    from .._schema.schema import Schema


class ResolutionTrace:
    """Lines with their levels, and steps, each in order of happening; and how the states change,
    in words: `moved`, and with the states that stay `moved_all`."""

    __slots__ = ("lines", "moved", "moved_all", "steps")

    def __init__(
        self,
        lines: Sequence[tuple[LogLevel, str]],
        steps: Sequence[Step],
        moved: Sequence[str],
        kept: Sequence[str],
    ) -> None:
        self.lines = tuple(lines)
        self.steps = tuple(steps)
        self.moved = " ".join(moved)
        self.moved_all = " ".join((*moved, *kept)) if moved else ""


def trace_of(schema: Schema, plan: Plan) -> ResolutionTrace:
    """The trace of a plan, made once."""
    trace = plan.trace
    if not isinstance(trace, ResolutionTrace):
        recorder = _TraceRecorder(schema, plan)
        before = plan.before.mask
        target = resolve(schema.tables, plan.kind, plan.called, before, bits_of(before), recorder)
        trace = plan.trace = recorder.finish(target)
    return trace


class _TraceRecorder:
    """The `Witness` that writes both."""

    __slots__ = ("_dropped", "_lines", "_list0", "_names", "_plan", "_recorder")

    def __init__(self, schema: Schema, plan: Plan) -> None:
        self._names = schema.names
        self._plan = plan
        self._recorder = StepRecorder(schema.names, [], plan.called, plan.before.mask)
        self._lines: list[tuple[LogLevel, str]] = []
        self._list0: Sequence[int] = ()
        self._dropped: dict[int, Sequence[int]] = {}

    def listed(self, kind: str, list0: Sequence[int], called: Sequence[int], before: int) -> None:
        """Where resolution starts from."""
        self._list0 = tuple(list0)
        self._recorder.listed(kind, list0, called, before)

    def implied(self, owner: int, states: Sequence[int]) -> None:
        """Implied states."""
        self._recorder.implied(owner, states)

    def required(self, state: int, needed: int, missing: bool) -> None:
        """A requirement."""
        self._recorder.required(state, needed, missing)

    def dropped(self, state: int, missing: Sequence[int]) -> None:
        """A state without what it requires."""
        self._dropped.setdefault(state, missing)

    def blocked(self, state: int, removers: Sequence[int], blockers: Sequence[int]) -> None:
        """A state that others remove."""
        active = self._plan.before.mask >> state & 1
        level = LogLevel.OPS if active else LogLevel.DECISIONS
        by = " ".join([self._names[b] for b in blockers])
        self._lines.append((level, f"[rel:remove] {self._names[state]} by {by}"))
        self._recorder.blocked(state, removers, blockers)

    def ordered(self, first: int, later: int) -> None:
        """An `after` that decided."""
        self._recorder.ordered(first, later)

    def finish(self, target: Sequence[int]) -> ResolutionTrace:
        """The trace, with the lines that sum the resolution up."""
        plan, names, lines, steps = self._plan, self._names, self._lines, self._recorder.steps
        if self._dropped:
            told = [
                f"{names[i]}({' '.join(['-' + names[m] for m in missing])})"
                for i, missing in self._dropped.items()
            ]
            level = LogLevel.DECISIONS if plan.is_auto else LogLevel.OPS
            name = "reject:auto" if plan.is_auto else "reject"
            lines.append((level, f"[{name}] {' '.join(told)}"))
        implied = [names[i] for i in target if i not in self._list0]
        if implied:
            lines.append((LogLevel.OPS, f"[implied] {' '.join(implied)}"))
        if not plan.accepted:
            told = [names[i] for i in plan.missing]
            lines.append((LogLevel.OPS, f"[cancel:reject] {' '.join(told)}"))
            steps += [Step(names, StepKind.CANCEL, to_state=i) for i in plan.missing]
        before = plan.before.mask
        moved: list[str] = []
        again: list[str] = []
        for i in plan.enters:
            (again if before >> i & 1 else moved).append("+" + names[i])
        moved += again
        moved += ["-" + names[i] for i in sorted(plan.exits)]
        return ResolutionTrace(
            lines, steps, moved, [names[i] for i in target if i not in plan.enters]
        )
