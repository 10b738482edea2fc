"""What a diagram of states shows, whatever it is taken from and whatever language it is drawn in.

Deterministic: machines in the order of the graph, states in index order, then by name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import am_machine as am

from .._origins import origins
from .._schema_tools import RELATIONS, as_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PipeDetail: TypeAlias = Literal["none", "grouped", "detailed"]
Mark: TypeAlias = Literal["called", "added", "removed", "touched", "dimmed"]
MARKS: tuple[str, ...] = ("called", "added", "removed", "touched", "dimmed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to show; see `mermaid`."""

    relations: bool = True
    inherited: bool = True
    groups: bool = True
    exception: bool = True
    start: bool = True
    ready: bool = True
    tags: bool = True
    active: bool = True
    pipes: PipeDetail = "grouped"
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    around: str | tuple[str, ...] = ()
    distance: int = 1
    marks: Mapping[str, Mark] = field(default_factory=dict)
    steps: bool = False

    def __post_init__(self) -> None:
        if self.pipes not in ("none", "grouped", "detailed"):
            raise ValueError(f"pipes is {self.pipes!r}, not none, grouped or detailed")
        if self.distance < 0:
            raise ValueError(f"distance is {self.distance}, less than 0")
        for name, mark in self.marks.items():
            if mark not in MARKS:
                raise ValueError(f"the mark of {name} is {mark!r}, not one of {', '.join(MARKS)}")
        for name in ("only", "skip"):
            value = getattr(self, name)
            patterns = (value,) if isinstance(value, str) else tuple(value)
            for pattern in patterns:
                re.compile(pattern)
            object.__setattr__(self, name, patterns)

    @property
    def middle(self) -> tuple[str, ...]:
        """What to look around; everything is shown if that is nothing."""
        return (self.around,) if isinstance(self.around, str) else tuple(self.around)

    def shows(self, name: str, inherited_from: str) -> bool:
        """Whether a state is shown."""
        hidden = {"Exception": self.exception, "Start": self.start, "Ready": self.ready}
        return (
            hidden.get(name, True)
            and (self.inherited or not inherited_from)
            and (not self.only or any(re.search(p, name) for p in self.only))
            and not any(re.search(p, name) for p in self.skip)
        )


@dataclass(frozen=True, slots=True)
class StateNode:
    """One state."""

    name: str
    auto: bool
    multi: bool
    active: bool
    mark: str = ""
    """What a transition did to it, or that it is of no concern."""


@dataclass(slots=True)
class Box:
    """The states of one machine, or of a schema without a machine (``title`` is empty)."""

    title: str = ""
    known: bool = True
    tags: tuple[str, ...] = ()
    parent: str | None = None
    mark: str = ""
    states: list[StateNode] = field(default_factory=list)
    groups: list[tuple[str, list[str]]] = field(default_factory=list)
    """Group and its states; each state is in the first group that has it, or in none."""
    relations: list[tuple[str, str, str]] = field(default_factory=list)
    """From, kind, to."""


@dataclass(frozen=True, slots=True)
class PipeEdge:
    """A pipe from a state, or from a whole machine if the state is empty."""

    source: str
    source_state: str
    target: str
    target_state: str
    label: str


@dataclass(slots=True)
class View:
    """All that a diagram shows."""

    boxes: list[Box] = field(default_factory=list)
    pipes: list[PipeEdge] = field(default_factory=list)
    links: list[tuple[str, str, str]] = field(default_factory=list)
    """Machine, other machine, label."""


def flat_text(text: str) -> str:
    """A foreign text on one line, in which what cannot be printed is a question mark in a box:
    pictures are XML, which has no control characters, and texts are looked at on terminals."""
    line = " ".join(str(text).split())
    return (
        line if line.isprintable() else "".join([c if c.isprintable() else "\ufffd" for c in line])
    )


def view_of(obj: Any, options: Options) -> View:
    """Make the view of a machine, a schema, a States class, a dict schema or a `Graph`.

    :raises TypeError: if it is none of these.
    """
    if hasattr(obj, "nx") and hasattr(obj, "update_active"):
        return _of_graph(obj, options)
    if hasattr(obj, "schema") and hasattr(obj, "clock"):
        box = _box(obj.schema, options, obj.active, owner=obj.id)
        box.title, box.mark = obj.id, options.marks.get(obj.id, "")
        if options.tags:
            box.tags = tuple(obj.tags)
        return View([box])
    try:
        schema = as_schema(obj)
    except am.SchemaError as exc:
        if isinstance(obj, dict | type):
            raise
        raise TypeError(f"there is no diagram of {type(obj).__name__}") from exc
    return View([_box(schema, options)])


def _box(
    schema: am.Schema, options: Options, active: Iterable[str] = (), owner: str | None = None
) -> Box:
    inherited = origins(schema)
    shown = {name: None for name in schema if options.shows(name, inherited.get(name, ""))}
    if options.around:
        near = _near(schema, shown, options)
        shown = {name: None for name in schema if name in near}
    on = set(active) if options.active else set()
    box = Box()
    for name in shown:
        state = schema[name]
        mark = _mark(options, owner, name)
        box.states.append(StateNode(str(name), state.auto, state.multi, name in on, mark))
    if options.groups:
        box.groups = _placed(schema.groups, shown)
    if options.relations:
        box.relations = [
            (str(name), kind, str(other))
            for name in shown
            for kind in RELATIONS
            for other in getattr(schema[name], kind)
            if other in shown
        ]
    return box


def _mark(options: Options, owner: str | None, name: str) -> str:
    """The mark of a state: by its name, or that of its machine, a colon and its name."""
    marks = options.marks
    own = marks.get(f"{owner}:{name}", "") if owner is not None else ""
    return own or marks.get(name, "")


def _near(schema: am.Schema, shown: Iterable[str], options: Options) -> set[str]:
    """The states that a zoom shows: by relations either way, through shown states only."""
    schema.indexes(options.middle)
    found = set(options.middle)
    known = {*shown, *found}
    beside: dict[str, set[str]] = {name: set() for name in known}
    for name in known:
        for kind in RELATIONS:
            for other in getattr(schema[name], kind):
                if other in known:
                    beside[name].add(other)
                    beside[other].add(name)
    edge = set(found)
    for _ in range(options.distance):
        edge = {other for name in edge for other in beside[name]} - found
        found |= edge
    return found


def _placed(
    groups: Mapping[str, Iterable[str]], shown: Iterable[str]
) -> list[tuple[str, list[str]]]:
    placed: set[str] = set()
    found = []
    for group, members in groups.items():
        wanted = set(members) - placed
        inside = [str(name) for name in shown if name in wanted]
        placed.update(inside)
        if inside:
            found.append((group, inside))
    return found


def _of_graph(graph: Any, options: Options) -> View:
    if options.around:
        known = set(graph.machine_nodes.values())
        for machine_id in options.middle:
            if machine_id not in known:
                raise ValueError(f"there is no machine {machine_id} in the graph")
        graph = graph.near(options.middle, options.distance, depth=0)
        options = replace(options, around=())
    graph.update_active()
    view = View()
    for node, name in graph.machine_nodes.items():
        data = graph.nx.nodes[node]
        machine = graph.machine(name)
        if machine is not None:
            box = _box(machine.schema, options, data["active"], name)
        else:
            box = _box_of_nodes(graph.nx, name, data, options)
        box.title, box.known, box.parent = name, data["known"], data["parent"]
        box.tags = data["tags"] if options.tags else ()
        box.mark = options.marks.get(name, "")
        view.boxes.append(box)
    titles = {box.title for box in view.boxes}
    names = graph.machine_nodes
    view.links = [
        (names[a], names[b], data.get("addr") or "connected to")
        for a, b, key, data in graph.nx.edges(keys=True, data=True)
        if key == "connected_to" and {names[a], names[b]} <= titles
    ]
    view.pipes = _pipes(graph.nx, view, options)
    return view


def _box_of_nodes(nx: Any, machine_id: str, data: Any, options: Options) -> Box:
    """The box of a machine that is gone: what the graph kept of it."""
    box = Box()
    on = set(data["active"]) if options.active else set()
    for name in data["state_names"]:
        state = nx.nodes[f"{machine_id}:{name}"]
        if options.shows(name, state["inherited_from"]):
            mark = _mark(options, machine_id, name)
            box.states.append(StateNode(name, state["auto"], state["multi"], name in on, mark))
    shown = {state.name for state in box.states}
    for state in box.states if options.relations else ():
        for kind in RELATIONS:
            for _, other, key in nx.edges(f"{machine_id}:{state.name}", keys=True):
                name = other.removeprefix(f"{machine_id}:")
                if key == f"relation:{kind}" and name in shown:
                    box.relations.append((state.name, kind, name))
    return box


def _pipes(nx: Any, view: View, options: Options) -> list[PipeEdge]:
    if options.pipes == "none":
        return []
    shown = {box.title: {state.name for state in box.states} for box in view.boxes}
    edges: list[PipeEdge] = []
    counts: dict[tuple[str, str], int] = {}
    for a, b, key in nx.edges(keys=True):
        if not key.startswith("pipe:"):
            continue
        (source, source_state), (target, target_state) = _ends(nx, a), _ends(nx, b)
        counts[source, target] = counts.get((source, target), 0) + 1
        # A pipe of a hidden state is drawn from its machine.
        source_state = source_state if source_state in shown[source] else ""
        target_state = target_state if target_state in shown[target] else ""
        edges.append(PipeEdge(source, source_state, target, target_state, key[5:]))
    if options.pipes == "detailed":
        return list(dict.fromkeys(edges))
    return [
        PipeEdge(source, "", target, "", "1 pipe" if count == 1 else f"{count} pipes")
        for (source, target), count in counts.items()
    ]


def _ends(nx: Any, node: str) -> tuple[str, str]:
    data = nx.nodes[node]
    return (data["id"], "") if data["kind"] == "machine" else (data["machine"], data["name"])
