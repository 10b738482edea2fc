"""What the schema tree lists: states, their relations, the tags of the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from am_machine import StepKind

from .._derive.text import inert
from . import colors
from .fitting import Row, cut
from .relation_lines import MOST_LANES, Column, Join
from .rows import state_style

if TYPE_CHECKING:
    import am_machine as am

    from .._core.session import View
    from .._derive.steps import Parsed

# Columns of a row that are for the name of a state and its ticks.
_FOR_NAMES = 24
RELATIONS = ("require", "add", "remove", "after")


class Node(NamedTuple):
    """A row: a state, something below it, or a tag of the machine."""

    state: str
    text: str = ""
    """Empty for the state itself."""
    leads_to: str = ""
    """The state that a relation names."""


class Stepped(NamedTuple):
    """What the steps walked through say of states."""

    marks: dict[str, str]
    called: frozenset[str]
    joins: list[tuple[str, str]]
    """Relations used, by name: whose, and to which."""


NOTHING = Stepped({}, frozenset(), [])


def stepped(view: View, following: Parsed | None, names: tuple[str, ...]) -> Stepped:
    """The next transition up to the step cursor; without one, all of it."""
    if following is None or following.tx.is_queued:
        return NOTHING
    steps = following.steps[: view.step] if view.step else following.steps
    marks: dict[str, str] = {}
    joins: list[tuple[str, str]] = []
    for step in steps:
        for i in (step.from_state, step.to_state):
            if i is not None and i < len(names):
                marks.setdefault(names[i], "*")
        if step.kind is StepKind.RELATION and None not in (step.from_state, step.to_state):
            assert step.from_state is not None
            assert step.to_state is not None
            joins.append((names[step.from_state], names[step.to_state]))
    for mark, states in (("+", following.added), ("-", following.removed)):
        for i in states:
            if names[i] in marks:
                marks[names[i]] = mark
    called = frozenset([names[i] for i in following.tx.called if i < len(names)])
    return Stepped(marks, called & marks.keys(), joins)


def nodes(view: View, names: tuple[str, ...], opened: set[str]) -> list[Node]:
    """All rows: states of the chosen group, what is open below them, and the tags last."""
    schema = view.client.version_at(max(view.cursor, view.client.first)).schema.schema
    members = view.members
    found: list[Node] = []
    for name in names:
        if members is None or name in members:
            found.append(Node(name))
            if name in opened:
                found += _details(schema, name)
    found += [Node("", f"#{tag}") for tag in view.client.tags]
    return found


def _details(schema: am.Schema, name: str) -> list[Node]:
    state = schema[name]
    told = [Node(name, word) for word, on in (("auto", state.auto), ("multi", state.multi)) if on]
    for relation in RELATIONS:
        told += [Node(name, f"{relation} {other}", other) for other in getattr(state, relation)]
    return told or [Node(name, "no relations")]


def column_of(found: list[Node], joins: list[tuple[str, str]], width: int) -> Column:
    """Lines between the states that relations join, the last one emphasized; as many beside each
    other as leave room for names in rows of this width."""
    rows = {node.state: k for k, node in enumerate(found) if not node.text}
    drawn = [Join(rows[a], rows[b]) for a, b in joins if a in rows and b in rows]
    if drawn:
        drawn[-1] = drawn[-1]._replace(is_last=True)
    return Column(drawn, max(1, min(MOST_LANES, width - _FOR_NAMES)))


def node_row(
    schema: am.Schema,
    node: Node,
    tick: int,
    told: Stepped,
    width: int,
    digits: int,
    *,
    chosen: str,
    is_open: bool,
) -> Row:
    """A row without its column of lines, as wide as there is room; ticks have as many `digits` at
    the most; `chosen` is the selected state."""
    if node.text:
        style = colors.SELECTED if chosen and node.leads_to == chosen else colors.INACTIVE
        mark = "   └ " if node.state else " "
        return [(mark, colors.INACTIVE), (cut(inert(node.text), width - len(mark)), style)]
    style = state_style(schema, node.state, tick)
    right = f" {'M' if schema[node.state].multi else ' '}|{tick:<{digits}} "
    left = f"{'▾' if is_open else '▸'}{told.marks.get(node.state, ' ')}"
    room = max(width - len(right) - len(left), 1)
    name_style = style
    if node.state == chosen:
        name_style += colors.SELECTED
    elif node.state in told.called:
        name_style += colors.CALLED
    name = cut(inert(node.state), room)
    return [
        (left, style),
        (name, name_style),
        (" " * (room - len(name)), colors.PLAIN),
        (right, style),
    ]
