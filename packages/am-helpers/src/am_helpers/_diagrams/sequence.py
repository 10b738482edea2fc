"""A single transition as a sequence of arrows between the states it touched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Sequence

ANY = "Any"
"""The participant of `AnyEnter` and `AnyState`, which belong to no state."""


@dataclass(frozen=True, slots=True)
class Arrow:
    """One step: from a participant to a participant, often the same one."""

    source: str
    target: str
    text: str
    kind: am.StepKind


@dataclass(frozen=True, slots=True)
class Story:
    """A transition as participants, in the order first seen, and arrows."""

    title: str
    participants: tuple[str, ...]
    arrows: tuple[Arrow, ...]


def sequence_of(transition: am.Transition) -> Story:
    """Read the steps of a transition.

    :raises ValueError: if no steps were recorded; ``machine.sem_log.steps = True`` does it.
    """
    if not transition.steps:
        raise ValueError("the transition has no steps: set machine.sem_log.steps before it")
    names = tuple(transition.machine.schema)
    title = f"{transition.machine.id}: [{transition.kind}] {' '.join(transition.called)}"
    return _story(title, transition.steps, names)


def steps_of(explanation: am.Explanation) -> Story:
    """Read the steps of an explanation.

    :raises ValueError: if it has none.
    """
    if not explanation.steps:
        raise ValueError("the explanation has no steps")
    title = f"[{explanation.kind}] {' '.join(explanation.called)}"
    return _story(title, explanation.steps, explanation.state_names)


def _story(title: str, steps: Sequence[am.Step], names: Sequence[str]) -> Story:
    arrows = tuple(_arrow(step, names) for step in steps)
    ends = (end for arrow in arrows for end in (arrow.source, arrow.target))
    return Story(title, tuple(dict.fromkeys(ends)), arrows)


def _arrow(step: am.Step, names: Sequence[str]) -> Arrow:
    source = ANY if step.from_state is None else str(names[step.from_state])
    target = ANY if step.to_state is None else str(names[step.to_state])
    if step.kind is am.StepKind.RELATION:
        return Arrow(source, target, str(step.relation), step.kind)
    own = target if step.to_state is not None else source
    if step.kind is am.StepKind.HANDLER:
        return Arrow(own, own, _handler(step, source, target), step.kind)
    return Arrow(own, own, str(step.kind.value), step.kind)


def _handler(step: am.Step, source: str, target: str) -> str:
    if step.is_self:
        return target + target
    if step.from_state is not None and step.to_state is not None:
        return source + target
    if step.is_final:
        return target + ("State" if step.is_enter or step.to_state is None else "End")
    return f"{source}Exit" if step.from_state is not None else f"{target}Enter"
