"""Diagrams in D2, version 0.6 and later.

Keys are made up, since D2 reads names such as `label` or `style` as properties; labels are quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import am_machine as am

from .explained import CALL, Explained, Fate, explained_of
from .sequence import Story, sequence_of, steps_of
from .view import Box, Options, View, flat_text, view_of

if TYPE_CHECKING:
    from .options import DiagramOptions

_STYLES = {
    "require": "",
    "add": " {style.stroke-width: 4}",
    "remove": " {style.stroke-dash: 5}",
    "after": " {style.stroke-dash: 2}",
}
_MARKS = {
    "called": 'style.stroke: "#1d4ed8"; style.stroke-width: 3',
    "added": 'style.fill: "#b7e4c7"; style.stroke: "#1b7f3b"; style.stroke-width: 3',
    "removed": 'style.fill: "#f8c4c0"; style.stroke: "#b3261e"; style.stroke-width: 3',
    "touched": 'style.stroke: "#b45309"; style.stroke-width: 3',
    "dimmed": "style.opacity: 0.35",
}
_GOOD = 'style.fill: "#b7e4c7"'
_BAD = 'style.fill: "#f8c4c0"; style.stroke: "#b3261e"'
_FATES: dict[Fate, str] = {
    Fate.ENTERS: f'{_GOOD}; style.stroke: "#1b7f3b"; style.stroke-width: 3',
    Fate.STAYS: _GOOD,
    Fate.LEAVES: 'style.fill: "#e4e4e4"; style.stroke-dash: 5',
    Fate.WOULD_ENTER: 'style.stroke: "#1b7f3b"; style.stroke-dash: 5',
    Fate.WOULD_LEAVE: f"{_GOOD}; style.stroke-dash: 5",
    Fate.DROPPED: f"{_BAD}; style.stroke-width: 3",
    Fate.INACTIVE: 'style.stroke-dash: 3; style.font-color: "#666666"',
}


def d2(obj: Any, **options: Unpack[DiagramOptions]) -> str:
    """Return a D2 diagram of whatever `mermaid` draws, with the same options."""
    if isinstance(obj, am.Transition):
        return _sequence(sequence_of(obj))
    chosen = Options(**options)
    if isinstance(obj, am.Explanation):
        return _sequence(steps_of(obj)) if chosen.steps else _explained(explained_of(obj))
    return _chart(view_of(obj, chosen))


def _chart(view: View) -> str:
    lines = ["direction: right"]
    numbers = {box.title: i for i, box in enumerate(view.boxes)}
    paths: dict[tuple[str, str], str] = {}
    for number, box in enumerate(view.boxes):
        lines += _box(box, number, paths)
    for box in view.boxes:
        for source, kind, target in box.relations:
            ends = f"{paths[box.title, source]} -> {paths[box.title, target]}"
            lines.append(f"{ends}: {kind}{_STYLES[kind]}")
    for box in view.boxes:
        if box.parent in numbers:
            lines.append(f"m{numbers[box.title]} -> m{numbers[box.parent]}: child of")
    for a, b, text in view.links:
        lines.append(f"m{numbers[a]} -- m{numbers[b]}: {_quoted(text)}")
    for pipe in view.pipes:
        source = paths.get((pipe.source, pipe.source_state), f"m{numbers[pipe.source]}")
        target = paths.get((pipe.target, pipe.target_state), f"m{numbers[pipe.target]}")
        lines.append(f"{source} -> {target}: {_quoted(pipe.label)}")
    return "\n".join(lines) + "\n"


def _box(box: Box, number: int, paths: dict[tuple[str, str], str]) -> list[str]:
    """Draw one machine, and note at which path each of its states is."""
    lines: list[str] = []
    prefix = indent = ""
    if box.title or box.tags:
        head = box.title or "machine"
        text = f"{head} [{', '.join(box.tags)}]" if box.tags else head
        looks = [] if box.known else ["style.stroke-dash: 3"]
        looks += [_MARKS[box.mark]] if box.mark else []
        style = f" {{{'; '.join(looks)}}}" if looks else ""
        if not box.states:
            return [f"m{number}: {_quoted(text)}{style}"]
        lines.append(f"m{number}: {_quoted(text)} {{")
        lines += [f"  {_MARKS[box.mark]}"] if box.mark else []
        prefix, indent = f"m{number}.", "  "
    states = {state.name: (i, state) for i, state in enumerate(box.states)}
    grouped = {name for _, members in box.groups for name in members}

    def node(name: str, inside: str) -> str:
        i, state = states[name]
        paths[box.title, name] = f"{prefix}{inside}s{i}"
        styles = ["style.stroke-dash: 5"] * state.auto
        styles += ["style.double-border: true"] * state.multi
        if state.mark not in ("added", "removed"):  # these have a filling of their own
            styles += ['style.fill: "#b7e4c7"'] * state.active
        styles += [_MARKS[state.mark]] if state.mark else []
        block = f" {{{'; '.join(styles)}}}" if styles else ""
        return f"s{i}: {_quoted(name)}{block}"

    for place, (group, members) in enumerate(box.groups):
        lines.append(f"{indent}g{place}: {_quoted(group)} {{")
        lines += [f"{indent}  {node(name, f'g{place}.')}" for name in members]
        lines.append(f"{indent}}}")
    lines += [indent + node(name, "") for name in states if name not in grouped]
    if prefix:
        lines.append("}")
    return lines


def _sequence(story: Story) -> str:
    ids = {name: f"p{i}" for i, name in enumerate(story.participants)}
    lines = [f"transition: {_quoted(story.title)} {{", "  shape: sequence_diagram"]
    lines += [f"  {ids[name]}: {_quoted(name)}" for name in story.participants]
    for arrow in story.arrows:
        ends = f"{ids[arrow.source]} -> {ids[arrow.target]}"
        lines.append(f"  {ends}: {_quoted(arrow.text)}")
    return "\n".join([*lines, "}", ""])


def _explained(told: Explained) -> str:
    look = f'{_GOOD}; style.stroke: "#1b7f3b"' if told.accepted else _BAD
    lines = [
        "direction: right",
        f"call: {_quoted(told.title)} {{shape: oval; {look}}}",
        f'why: {_quoted(*told.reasons)} {{style.fill: "#fff8d6"; style.stroke: "#c9b458"}}',
    ]
    ids = {CALL: "call"} | {name: f"s{i}" for i, (name, _) in enumerate(told.states)}
    lines += [f"{ids[n]}: {_quoted(n, fate)} {{{_FATES[fate]}}}" for n, fate in told.states]
    if told.handlers:
        style = 'style.fill: "#eef2ff"; style.stroke: "#8a94c8"'
        lines.append(f"handlers: {_quoted(*told.handlers)} {{{style}}}")
        lines.append("call -- handlers: {style.stroke-dash: 3}")
    lines.append("call -- why: {style.stroke-dash: 3}")
    for edge in told.edges:
        style = _STYLES[edge.kind].strip(" {}")
        colour = 'style.stroke: "#b3261e"' if edge.decisive else ""
        styles = "; ".join(filter(None, (style, colour)))
        block = f" {{{styles}}}" if styles else ""
        lines.append(f"{ids[edge.source]} -> {ids[edge.target]}: {edge.kind}{block}")
    return "\n".join(lines) + "\n"


def _quoted(*parts: str) -> str:
    """A double-quoted string, a line for each part that is not empty.

    Within a part white space becomes one space; ``$`` would begin a substitution.
    """
    flat = (flat_text(part) for part in parts if part)
    escaped = ("".join(f"\\{c}" if c in '\\"$' else c for c in part) for part in flat)
    return '"' + "\\n".join(escaped) + '"'
