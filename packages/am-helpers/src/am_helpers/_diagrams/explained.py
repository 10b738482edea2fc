"""An explanation as nodes and edges: what was called, what came of each state, who was asked."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import am_machine as am


class Fate(StrEnum):
    """What the resolution makes of a state; the value is what is shown."""

    ENTERS = "enters"
    STAYS = "stays"
    LEAVES = "leaves"
    WOULD_ENTER = "would enter"  # but the mutation is refused
    WOULD_LEAVE = "would leave"
    DROPPED = "dropped"  # wanted, but not to be had
    INACTIVE = "inactive"


CALL = ""
"""The end of an edge that is the mutation itself, not a state."""


@dataclass(frozen=True, slots=True)
class Edge:
    """What one state, or the mutation, does to a state; ``decisive`` if that ends or drops it."""

    source: str
    kind: str
    target: str
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Explained:
    """All that a diagram of an explanation shows."""

    title: str
    accepted: bool
    reasons: tuple[str, ...]
    states: tuple[tuple[str, Fate], ...]
    edges: tuple[Edge, ...]
    handlers: tuple[str, ...]
    """A line each, in order, below a heading; nothing if none is bound."""


def explained_of(explanation: am.Explanation) -> Explained:
    """Read an explanation: states in index order, edges by kind, handlers as they are called."""
    edges = tuple(dict.fromkeys(_edges(explanation)))
    named = {*explanation.called, *explanation.missing, *explanation.enters, *explanation.exits}
    named.update(end for edge in edges for end in (edge.source, edge.target))
    states = ((n, _fate(explanation, n)) for n in explanation.state_names if n in named)
    words = (
        "check" if explanation.is_check else "",
        "auto" if explanation.is_auto else "",
        explanation.kind,
        *explanation.called,
    )
    outcome = "accepted" if explanation.is_accepted else "refused"
    return Explained(
        title=f"{' '.join(filter(None, words))}: {outcome}",
        accepted=explanation.is_accepted,
        reasons=explanation.reasons,
        states=tuple(states),
        edges=edges,
        handlers=tuple(_handlers(explanation)),
    )


def _edges(told: am.Explanation) -> Iterator[Edge]:
    removes = told.kind == "remove"
    for name in told.called:
        yield Edge(CALL, "remove" if removes else "add", name, decisive=removes)
    if told.kind == "set":
        for name in told.exits:
            if name not in told.removed_by and name not in told.requires:
                yield Edge(CALL, "remove", name, decisive=True)
    for name, owners in _in_order(told, told.added_by):
        yield from (Edge(owner, "add", name) for owner in owners)
    concerned = {*told.called, *told.enters, *told.requires}
    for step in told.steps:
        if step.relation == "require" and step.from_state is not None and step.to_state is not None:
            name, needed = told.state_names[step.from_state], told.state_names[step.to_state]
            if name in concerned:
                yield Edge(name, "require", needed, needed in told.requires.get(name, ()))
    for name, blockers in _in_order(told, told.removed_by):
        yield from (Edge(blocker, "remove", name, decisive=True) for blocker in blockers)


def _in_order(
    told: am.Explanation, found: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    return ((name, found[name]) for name in told.state_names if name in found)


def _fate(told: am.Explanation, name: str) -> Fate:
    before, after = name in told.before, name in told.target
    if name in told.missing or (name in told.added_by and not (before or after)):
        return Fate.DROPPED
    if before == after:
        return Fate.STAYS if before else Fate.INACTIVE
    if told.is_accepted:
        return Fate.ENTERS if after else Fate.LEAVES
    return Fate.WOULD_ENTER if after else Fate.WOULD_LEAVE


def _handlers(told: am.Explanation) -> Iterator[str]:
    if told.handlers:
        yield "handlers in order:"
    stopped = False
    for name in told.handlers:
        if name == told.failed:
            verdict = ": raised"
        elif name in told.vetoed:
            verdict = ": voted against it"
        else:
            verdict = " (not called)" if stopped else ""
        stopped = stopped or bool(verdict)
        yield f"{name}{verdict}"
