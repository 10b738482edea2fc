"""Diagrams in Mermaid, version 11.

Nodes have made-up ids, since Mermaid reads words such as `end` anywhere; what is shown is a quoted
label. In labels every character with a meaning becomes an entity.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import am_machine as am

from .explained import CALL, Explained, explained_of
from .sequence import Story, sequence_of, steps_of
from .view import Box, Options, StateNode, View, flat_text, view_of

if TYPE_CHECKING:
    from .options import DiagramOptions

_ARROWS = {"require": "-->", "add": "==>", "remove": "-.->", "after": "-.->"}
_CLASSES = (
    "classDef auto stroke-dasharray: 5 5",
    "classDef active fill:#b7e4c7,color:#000",
    "classDef unknown stroke-dasharray: 2 4,color:#888",
)
_MARKS = {
    "called": "stroke:#1d4ed8,stroke-width:3px",
    "added": "fill:#b7e4c7,stroke:#1b7f3b,stroke-width:3px,color:#000",
    "removed": "fill:#f8c4c0,stroke:#b3261e,stroke-width:3px,color:#000",
    "touched": "stroke:#b45309,stroke-width:3px",
    "dimmed": "opacity:0.35",
}
_GOOD, _BAD = "fill:#b7e4c7,color:#000", "fill:#f8c4c0,stroke:#b3261e,color:#000"
_LOOKS = {
    "accepted": f"{_GOOD},stroke:#1b7f3b",
    "refused": _BAD,
    "why": "fill:#fff8d6,stroke:#c9b458,color:#000,text-align:left",
    "asked": "fill:#eef2ff,stroke:#8a94c8,color:#000,text-align:left",
    "enters": f"{_GOOD},stroke:#1b7f3b,stroke-width:3px",
    "stays": _GOOD,
    "leaves": "fill:#e4e4e4,color:#000,stroke-dasharray:5 5",
    "would_enter": "stroke:#1b7f3b,stroke-dasharray:5 5",
    "would_leave": f"{_GOOD},stroke-dasharray:5 5",
    "dropped": f"{_BAD},stroke-width:3px",
    "inactive": "stroke-dasharray:3 3,color:#666",
}
_PLAIN = frozenset(" _-.,:/()+=[]!?'@→")


def mermaid(obj: Any, **options: Unpack[DiagramOptions]) -> str:
    """Return a Mermaid diagram of a machine, schema, `Graph`, transition or explanation.

    States: auto ones are dashed, multi ones doubled, active ones filled; edges are labelled by
    relation; groups and machines are boxes. A transition is a sequence of its steps. An explanation
    shows the reasons, what becomes of each state concerned and through which relation, and the
    handlers in order; with ``steps`` it is a sequence, as a transition is. Options, of all but
    these two: ``relations, inherited, groups, exception, start, ready, tags, active`` (False hides
    them), ``pipes`` (none, grouped or detailed), ``only`` and ``skip`` (regular expressions for
    names of states), ``around`` and ``distance`` (1): only what is that many relations away from a
    state, or in a graph that many pipes or connections from a machine; ``marks``: what happened to
    states and machines (called, added, removed, touched, dimmed) by name, ``id:Name`` for the state
    of one machine. The same input gives the same text.

    :raises TypeError: if there is no diagram of such an object.
    :raises am.UnknownStateError: if there is no state to look around.
    :raises ValueError: if a transition has no steps, or an option is wrong.
    """
    if isinstance(obj, am.Transition):
        return _sequence(sequence_of(obj))
    chosen = Options(**options)
    if isinstance(obj, am.Explanation):
        return _sequence(steps_of(obj)) if chosen.steps else _explained(explained_of(obj))
    return _flowchart(view_of(obj, chosen))


def _flowchart(view: View) -> str:
    lines = ["flowchart LR"]
    numbers = {box.title: i for i, box in enumerate(view.boxes)}
    for number, box in enumerate(view.boxes):
        lines += _box(box, number)
    for box in view.boxes:
        if box.parent in numbers:
            ends = f"m{numbers[box.title]}", f"m{numbers[box.parent]}"
            lines.append(f"  {ends[0]} -->|{_label('child of')}| {ends[1]}")
    for source, target, text in view.links:
        lines.append(f"  m{numbers[source]} ---|{_label(text)}| m{numbers[target]}")
    for pipe in view.pipes:
        source = _end(numbers[pipe.source], pipe.source_state)
        target = _end(numbers[pipe.target], pipe.target_state)
        lines.append(f"  {source} -->|{_label(pipe.label)}| {target}")
    lines += [f"  {line}" for line in _CLASSES]
    used = {state.mark for box in view.boxes for state in box.states}
    used |= {box.mark for box in view.boxes}
    lines += [f"  classDef {mark} {look}" for mark, look in _MARKS.items() if mark in used]
    return "\n".join(lines) + "\n"


def _end(number: int, state: str) -> str:
    return _node(number, state) if state else f"m{number}"


def _node(number: int, state: str) -> str:
    return f"m{number}_{state}"


def _box(box: Box, number: int) -> list[str]:
    lines: list[str] = []
    indent = "  "
    head = box.title or ("" if not box.tags else "machine")
    if head:
        text = f"{head} [{', '.join(box.tags)}]" if box.tags else head
        if not box.states:
            return [
                f"  m{number}[{_label(text)}]{'' if box.known else ':::unknown'}",
                *([f"  class m{number} {box.mark}"] if box.mark else []),
            ]
        lines.append(f"  subgraph m{number}[{_label(text)}]")
        indent = "    "
    states = {state.name: state for state in box.states}
    grouped = {name for _, members in box.groups for name in members}
    marks = {name: _state_classes(state) for name, state in states.items()}

    def node(name: str) -> str:
        state = states[name]
        shape = ("[[", "]]") if state.multi else ("[", "]")
        text = f"{_node(number, name)}{shape[0]}{_label(name)}{shape[1]}"
        return text + (f":::{marks[name][0]}" if len(marks[name]) == 1 else "")

    for place, (group, members) in enumerate(box.groups):
        lines.append(f"{indent}subgraph m{number}g{place}[{_label(group)}]")
        lines += [f"{indent}  {node(name)}" for name in members]
        lines.append(f"{indent}end")
    lines += [indent + node(name) for name in states if name not in grouped]
    for source, kind, target in box.relations:
        ends = _node(number, source), _node(number, target)
        lines.append(f"{indent}{ends[0]} {_ARROWS[kind]}|{kind}| {ends[1]}")
    if head:
        lines.append("  end")
    if box.mark:
        lines.append(f"  class m{number} {box.mark}")
    for name in [name for name in states if len(marks[name]) > 1]:
        lines += [f"  class {_node(number, name)} {mark}" for mark in marks[name]]
    return lines


def _state_classes(state: StateNode) -> list[str]:
    """The looks of a state, the strongest last."""
    found = [name for name in ("auto", "active") if getattr(state, name)]
    return [*found, state.mark] if state.mark else found


def _sequence(story: Story) -> str:
    ids = {name: f"p{i}" for i, name in enumerate(story.participants)}
    title = _escaped(story.title)
    lines = ["sequenceDiagram", f"  accTitle: {title}", f"  title {title}"]
    lines += [f"  participant {ids[name]} as {_escaped(name)}" for name in story.participants]
    for arrow in story.arrows:
        line = "-->>" if arrow.source == arrow.target else "->>"
        ends = f"{ids[arrow.source]}{line}{ids[arrow.target]}"
        lines.append(f"  {ends}: {_escaped(arrow.text)}")
    return "\n".join(lines) + "\n"


def _explained(told: Explained) -> str:
    outcome = "accepted" if told.accepted else "refused"
    lines = [
        "flowchart LR",
        f"  c0([{_label(told.title)}]):::{outcome}",
        f"  w0[{_label(*told.reasons)}]:::why",
    ]
    if told.handlers:
        lines.append(f"  h0[{_label(*told.handlers)}]:::asked")
    for name, fate in told.states:
        lines.append(f"  s_{name}[{_label(name, fate)}]:::{fate.name.lower()}")
    links = ["c0 -.- w0", *["c0 -.- h0"] * bool(told.handlers)]
    decisive = []
    for edge in told.edges:
        if edge.decisive:
            decisive.append(str(len(links)))
        source = "c0" if edge.source == CALL else f"s_{edge.source}"
        links.append(f"{source} {_ARROWS[edge.kind]}|{edge.kind}| s_{edge.target}")
    if decisive:
        links.append(f"linkStyle {','.join(decisive)} stroke:#b3261e")
    used = {line.rpartition(":::")[2] for line in lines}
    looks = [f"classDef {name} {look}" for name, look in _LOOKS.items() if name in used]
    return "\n".join([*lines, *(f"  {line}" for line in (*links, *looks))]) + "\n"


def _label(*parts: str) -> str:
    """A quoted label with a line for each part that is not empty."""
    return f'"{"<br/>".join(_escaped(part) for part in parts if part)}"'


def _escaped(text: str) -> str:
    """Letters, digits and harmless marks stay; the rest becomes entities, lines one line."""
    return "".join(c if c.isalnum() or c in _PLAIN else f"#{ord(c)};" for c in flat_text(text))
