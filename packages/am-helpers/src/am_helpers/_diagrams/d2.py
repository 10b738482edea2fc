"""Diagrams in D2, version 0.6 and later.

Keys are made up, since D2 reads names such as `label` or `style` as properties; labels are quoted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Unpack

import am_machine as am

from .sequence import Story, sequence_of
from .view import Box, Options, View, view_of

if TYPE_CHECKING:
    from .options import DiagramOptions

_STYLES = {
    "require": "",
    "add": " {style.stroke-width: 4}",
    "remove": " {style.stroke-dash: 5}",
    "after": " {style.stroke-dash: 2}",
}


def d2(obj: Any, **options: Unpack[DiagramOptions]) -> str:
    """Return a D2 diagram of a machine, a schema, a `Graph` or a transition; see `mermaid`."""
    if isinstance(obj, am.Transition):
        return _sequence(sequence_of(obj))
    return _chart(view_of(obj, Options(**options)))


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
        style = "" if box.known else " {style.stroke-dash: 3}"
        if not box.states:
            return [f"m{number}: {_quoted(text)}{style}"]
        lines.append(f"m{number}: {_quoted(text)} {{")
        prefix, indent = f"m{number}.", "  "
    states = {state.name: (i, state) for i, state in enumerate(box.states)}
    grouped = {name for _, members in box.groups for name in members}

    def node(name: str, inside: str) -> str:
        i, state = states[name]
        paths[box.title, name] = f"{prefix}{inside}s{i}"
        styles = ["style.stroke-dash: 5"] * state.auto
        styles += ["style.double-border: true"] * state.multi
        styles += ['style.fill: "#b7e4c7"'] * state.active
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


def _quoted(text: str) -> str:
    """A double-quoted string on one line; ``$`` would begin a substitution."""
    flat = " ".join(str(text).split())
    return '"' + "".join(f"\\{c}" if c in '\\"$' else c for c in flat) + '"'
