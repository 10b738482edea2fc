"""Machines, their states and what connects them, as one graph. Needs the extra ``[graph]``.

Nodes are machines, by id, and states, ``id:Name``. Keys of edges tell their kind: ``has``,
``relation:…``, ``pipe:…``, ``child_of``, ``connected_to``. A machine that is only mentioned is a
placeholder, ``known=False``, until it is added. As a node, an id with a colon has one more behind
it, since it could be a state's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, ref

import am_machine as am

from .._origins import origins
from .._pipes.pipe import Pipe, unwatch_pipes, watch_pipes
from .._schema_tools import RELATIONS, tag_value
from .graph_text import to_dict, to_dot, to_markdown
from .pipe_edges import PipeEdges

if TYPE_CHECKING:
    from collections.abc import Iterable

try:
    nx: Any = import_module("networkx")  # it has no types of its own
except ImportError as exc:
    raise ImportError("Graph needs networkx: install am-helpers[graph]") from exc

LINKS = ("pipe:add", "pipe:remove", "connected_to")


def machine_node(machine_id: str) -> str:
    """Return the node of a machine id: never that of a state, which ends in its name."""
    return f"{machine_id}:" if ":" in machine_id else machine_id


class Graph:
    """A graph of machines; ``nx`` is the `networkx.MultiDiGraph` itself.

    The graph does not keep machines alive.
    """

    def __init__(self) -> None:
        self.nx = nx.MultiDiGraph()
        self.machine_nodes: dict[str, str] = {}
        """Node -> machine id, of the machines that are known or mentioned."""
        self._machines: WeakValueDictionary[str, Any] = WeakValueDictionary()
        self._pipes = PipeEdges()
        self._tracer: _LiveTracer | None = None

    @classmethod
    def from_machines(cls, *machines: am.MachineApi, live: bool = False) -> Graph:
        """Make the graph of these machines.

        With ``live`` it stays current until `close`: tracers add submachines and the states that
        machines grow, pipes come and go, and disposed machines leave.
        """
        graph = cls()
        if live:
            graph._tracer = _LiveTracer(graph)
            watch_pipes(graph)
        for mach in machines:
            graph.add_machine(mach)
        return graph

    def close(self) -> None:
        """Stop following the machines; the graph stays as it is."""
        tracer, self._tracer = self._tracer, None
        unwatch_pipes(self)
        if tracer is not None:
            for mach in tuple(self._machines.values()):
                mach.detach_tracer(tracer)

    @property
    def machines(self) -> tuple[str, ...]:
        """Ids of the known machines, in the order they were added."""
        nodes = self.nx.nodes
        return tuple(found for n, found in self.machine_nodes.items() if nodes[n]["known"])

    def machine(self, machine_id: str) -> am.MachineApi | None:
        """Return a machine of the graph, if it still lives."""
        found: am.MachineApi | None = self._machines.get(machine_id)
        return found

    def add_machine(self, mach: am.MachineApi) -> None:
        """Add a machine with its states, relations, parent and pipes; or update it."""
        node = self.mention(mach.id)
        self._machines[mach.id] = mach
        parent = mach.parent
        self.nx.add_node(
            node,
            known=True,
            tags=tuple(mach.tags),
            parent=parent.id if parent is not None else None,
            state_names=tuple(mach.schema),
            active=mach.active,
        )
        self._add_states(mach)
        if parent is not None:
            self.nx.add_edge(node, self.mention(parent.id), key="child_of")
        source_id = tag_value(mach.tags, "src-id")  # of a replica, and of what serves one
        if source_id and source_id != mach.id:
            source = self.mention(source_id)
            if not self.nx.has_edge(node, source, "connected_to"):
                self.nx.add_edge(node, source, key="connected_to", addr="")
        self._pipes.draw_all(self, mach)
        if self._tracer is not None and self._tracer not in getattr(mach, "tracers", ()):
            mach.bind_tracer(self._tracer)

    def _add_states(self, mach: am.MachineApi) -> None:
        schema = mach.schema
        inherited = origins(schema)
        for name in schema:
            state = schema[name]
            self.nx.add_node(
                f"{mach.id}:{name}",
                kind="state",
                known=True,
                name=str(name),
                machine=mach.id,
                auto=state.auto,
                multi=state.multi,
                inherited_from=inherited.get(name, ""),
            )
            self.nx.add_edge(machine_node(mach.id), f"{mach.id}:{name}", key="has")
        for name in schema:
            for kind in RELATIONS:
                for other in getattr(schema[name], kind):
                    ends = f"{mach.id}:{name}", f"{mach.id}:{other}"
                    self.nx.add_edge(*ends, key=f"relation:{kind}")

    def remove_machine(self, machine_id: str) -> None:
        """Take a machine and its states out; if others still name it, a placeholder stays."""
        node = machine_node(machine_id)
        if node not in self.nx:
            return
        self._pipes.erase_machine(self, machine_id)
        states = [n for _, n, key in self.nx.out_edges(node, keys=True) if key == "has"]
        mentions = [
            (source, key, dict(data))
            for source, _, key, data in self.nx.in_edges(node, keys=True, data=True)
            if key in ("child_of", "connected_to")
        ]
        self.nx.remove_nodes_from([*states, node])
        del self.machine_nodes[node]
        self._machines.pop(machine_id, None)
        for source, key, data in mentions:
            self.nx.add_edge(source, self.mention(machine_id), key=key, **data)

    def connect(self, machine_id: str, other_id: str, addr: str = "") -> None:
        """Add an edge for a network connection between two machines, known or not."""
        ends = self.mention(machine_id), self.mention(other_id)
        self.nx.add_edge(*ends, key="connected_to", addr=addr)

    def mention(self, machine_id: str) -> str:
        """Return the node of a machine; a placeholder, if the machine is not known."""
        node = machine_node(machine_id)
        if node not in self.machine_nodes:
            self.machine_nodes[node] = machine_id
            self.nx.add_node(
                node,
                kind="machine",
                id=machine_id,
                known=False,
                tags=(),
                parent=None,
                state_names=(),
                active=(),
            )
        return node

    # -------------------------------------------------------------------- pipes

    def pipe_changed(self, pipe: Pipe) -> None:
        """Follow a pipe that was attached or detached, if one of its machines is in the graph."""
        ends = pipe.source, pipe.target
        if any(self._machines.get(mach.id) is mach for mach in ends):
            if pipe.attached:
                self._pipes.draw(self, pipe)
            else:
                self._pipes.erase(self, pipe.id, *(mach.id for mach in ends))

    def end_of_pipe(self, machine_id: str, state: str) -> str:
        """Return the node of a state; the machine's, if it is not known to have that state."""
        machine = self.mention(machine_id)
        node = f"{machine_id}:{state}"
        return node if node in self.nx else machine

    # ------------------------------------------------------------------ reading

    def update_active(self) -> None:
        """Read the active states of all machines that still live; also done before each output."""
        for machine_id, mach in tuple(self._machines.items()):
            node = machine_node(machine_id)
            if node in self.nx:
                self.nx.nodes[node]["active"] = mach.active

    def near(self, ids: Iterable[str], distance: int = 1, depth: int = 1) -> Graph:
        """Return the part around some machines, as a graph of its own that is not live.

        It holds the machines within ``distance`` pipes or connections, in either direction, and
        for each of these its parents and children up to ``depth`` levels.
        """
        links = self._machine_graph(LINKS)
        families = self._machine_graph(("child_of",))
        found = self._within(links, set(map(machine_node, ids)), distance)
        found = self._within(families, found, depth)
        names = {node: self.machine_nodes[node] for node in self.machine_nodes if node in found}
        states = {
            f"{machine_id}:{name}"
            for node, machine_id in names.items()
            for name in self.nx.nodes[node]["state_names"]
        }
        return self._copy(self.nx.subgraph(found | states).copy(), names)

    def _copy(self, part: Any, machine_nodes: dict[str, str]) -> Graph:
        copy = Graph()
        copy.nx = part
        copy.machine_nodes = dict(machine_nodes)
        copy._pipes = self._pipes.copy()
        lives = {m: self._machines.get(m) for m in machine_nodes.values()}
        copy._machines.update({m: mach for m, mach in lives.items() if mach is not None})
        return copy

    def _machine_graph(self, keys: tuple[str, ...]) -> Any:
        """Machines only, joined by edges of these kinds wherever they begin and end."""
        joined = nx.Graph()
        joined.add_nodes_from(self.machine_nodes)
        for a, b, key in self.nx.edges(keys=True):
            if key in keys:
                joined.add_edge(self._machine_of(a), self._machine_of(b))
        return joined

    def _machine_of(self, node: str) -> str:
        if node in self.machine_nodes:
            return node
        return machine_node(str(self.nx.nodes[node]["machine"]))

    @staticmethod
    def _within(joined: Any, start: set[str], steps: int) -> set[str]:
        found = {node for node in start if node in joined}
        edge = set(found)
        for _ in range(steps):
            edge = {other for node in edge for other in joined[node]} - found
            found |= edge
        return found

    def clone(self) -> Graph:
        """Return a copy that is not live."""
        return self._copy(self.nx.copy(), self.machine_nodes)

    def inspect(self) -> dict[str, Any]:
        """Return machines, states and edges as plain values."""
        self.update_active()
        return to_dict(self.nx)

    def markdown(self) -> str:
        """Return a list of machines, their states and connections as Markdown."""
        self.update_active()
        return to_markdown(self.nx)

    def to_dot(self) -> str:
        """Return the graph in the DOT language."""
        self.update_active()
        return to_dot(self.nx)


class _LiveTracer(am.Tracer):
    """Keeps a graph current; submachines inherit it. It does not keep the graph alive."""

    def __init__(self, graph: Graph) -> None:
        self._graph = ref(graph)

    def new_submachine(self, parent: am.BaseMachine, machine: am.BaseMachine) -> None:
        self._add(machine)

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        self._add(machine)

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        graph = self._graph()
        if graph is not None and graph._tracer is self:
            graph.remove_machine(machine.id)

    def _add(self, machine: Any) -> None:
        graph = self._graph()
        if graph is not None and graph._tracer is self:
            graph.add_machine(machine)
