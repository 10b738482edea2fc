"""Diagrams in DOT, the language of Graphviz.

Nodes have made-up ids; what is shown is a quoted label. A machine is a cluster; edges to it end at
its border, by an invisible node inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import am_machine as am

from .view import Box, Options, StateNode, View, flat_text, view_of

if TYPE_CHECKING:
    from .options import DiagramOptions

_HEAD = (
    "digraph diagram {",
    "  graph [rankdir=LR, compound=true, fontname=Helvetica, bgcolor=transparent];",
    '  node [shape=box, style="rounded,filled", fillcolor=white, fontname=Helvetica];',
    '  edge [fontname=Helvetica, fontsize=10, color="#555555"];',
)
_EDGES = {
    "require": "",
    "add": ", penwidth=2.5",
    "remove": ", style=dashed",
    "after": ", style=dotted",
}
_ACTIVE = 'fillcolor="#b7e4c7"'
_MARKS = {
    "called": 'color="#1d4ed8", penwidth=3',
    "added": 'fillcolor="#b7e4c7", color="#1b7f3b", penwidth=3',
    "removed": 'fillcolor="#f8c4c0", color="#b3261e", penwidth=3',
    "touched": 'color="#b45309", penwidth=3',
    "dimmed": 'color="#c8c8c8", fontcolor="#a0a0a0"',
}
_PALE = 'color="#d8d8d8", fontcolor="#b8b8b8"'


def dot(obj: Any, **options: Unpack[DiagramOptions]) -> str:
    """Return a DOT diagram of a machine, schema or `Graph`, with the options of `mermaid`.

    `render` makes a picture of it by ``dot`` of Graphviz, which lays large diagrams out faster
    than the renderers of the other two languages.

    :raises TypeError: if there is no diagram of such an object; of transitions and explanations
        there is none in this language.
    :raises am.UnknownStateError: if there is no state to look around.
    :raises ValueError: if an option is wrong.
    """
    if isinstance(obj, am.Transition | am.Explanation):
        raise TypeError(f"there is no diagram of {type(obj).__name__} in DOT")
    return _chart(view_of(obj, Options(**options)))


def _chart(view: View) -> str:
    drawing = _Drawing(view)
    lines = [*_HEAD]
    for number, box in enumerate(view.boxes):
        lines += drawing.box(box, number)
    lines += drawing.edges(view)
    return "\n".join([*lines, "}", ""])


class _Drawing:
    """The nodes drawn so far, for the edges between them."""

    def __init__(self, view: View) -> None:
        self._numbers = {box.title: i for i, box in enumerate(view.boxes)}
        self._boxes = {box.title: box for box in view.boxes}
        self._nodes: dict[tuple[str, str], str] = {}
        self._dimmed: set[str] = set()

    def box(self, box: Box, number: int) -> list[str]:
        """A machine with its states."""
        head = box.title or ("machine" if box.tags else "")
        for i, state in enumerate(box.states):
            self._nodes[box.title, state.name] = f"m{number}s{i}"
            if state.mark == "dimmed" or box.mark == "dimmed":
                self._dimmed.add(f"m{number}s{i}")
        if box.mark == "dimmed":
            self._dimmed.add(f"m{number}")
        if not head:
            return self._inside(box, number, "  ")
        text = f"{head} [{', '.join(box.tags)}]" if box.tags else head
        look = f", {_MARKS[box.mark]}" if box.mark else ""
        if not box.states:
            shape = "" if box.known else ', style="rounded,dashed"'
            return [f"  m{number} [label={_quoted(text)}{shape}{look}];"]
        lines = [
            f"  subgraph cluster_m{number} {{",
            f'    graph [label={_quoted(text)}, style=rounded, color="#888888"{look}];',
            f'    m{number} [label="", shape=point, width=0.01, height=0.01, style=invis];',
        ]
        return [*lines, *self._inside(box, number, "    "), "  }"]

    def _inside(self, box: Box, number: int, indent: str) -> list[str]:
        states = {state.name: state for state in box.states}
        grouped = {name for _, members in box.groups for name in members}
        lines: list[str] = []
        for place, (group, members) in enumerate(box.groups):
            lines.append(f"{indent}subgraph cluster_m{number}g{place} {{")
            frame = 'style="rounded,dashed", color="#bbbbbb", fontcolor="#888888"'
            lines.append(f"{indent}  graph [label={_quoted(group)}, {frame}];")
            lines += [f"{indent}  {self._state(box, states[name])}" for name in members]
            lines.append(f"{indent}}}")
        lines += [indent + self._state(box, states[n]) for n in states if n not in grouped]
        return lines

    def _state(self, box: Box, state: StateNode) -> str:
        node = self._nodes[box.title, state.name]
        looks = [f"label={_quoted(state.name)}"]
        looks += ["peripheries=2"] * state.multi
        looks += ['style="rounded,filled,dashed"'] * state.auto
        if state.mark not in ("added", "removed"):  # these have a filling of their own
            looks += [_ACTIVE] * state.active
        mark = "dimmed" if box.mark == "dimmed" and not state.mark else state.mark
        looks += [_MARKS[mark]] if mark else []
        return f"{node} [{', '.join(looks)}];"

    def edges(self, view: View) -> list[str]:
        """Relations, parents, connections and pipes."""
        lines = []
        for box in view.boxes:
            for source, kind, target in box.relations:
                ends = self._nodes[box.title, source], self._nodes[box.title, target]
                lines.append(self._edge(*ends, kind, _EDGES[kind]))
        for box in view.boxes:
            if box.parent in self._numbers:
                lines.append(
                    self._between(box.title, "", box.parent, "", "child of", ", style=dotted")
                )
        for a, b, text in view.links:
            lines.append(self._between(a, "", b, "", text, ", dir=none, penwidth=2"))
        for pipe in view.pipes:
            ends4 = pipe.source, pipe.source_state, pipe.target, pipe.target_state
            lines.append(self._between(*ends4, pipe.label, ', color="#1d4ed8"'))
        return lines

    def _between(
        self, source: str, source_state: str, target: str, target_state: str, text: str, look: str
    ) -> str:
        """An edge between machines, or states of them."""
        tail = self._nodes.get((source, source_state)) or f"m{self._numbers[source]}"
        head = self._nodes.get((target, target_state)) or f"m{self._numbers[target]}"
        if tail == head:  # borders cannot be joined to themselves
            return self._edge(tail, head, text, look)
        if not source_state and self._boxes[source].states:
            look += f", ltail=cluster_{tail}"
        if not target_state and self._boxes[target].states:
            look += f", lhead=cluster_{head}"
        return self._edge(tail, head, text, look)

    def _edge(self, tail: str, head: str, text: str, look: str) -> str:
        pale = f", {_PALE}" if {tail, head} & self._dimmed else ""
        return f"  {tail} -> {head} [label={_quoted(text)}{look}{pale}];"


def _quoted(text: str) -> str:
    """A double-quoted string on one line; a backslash would begin an escape of Graphviz."""
    escaped = flat_text(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
