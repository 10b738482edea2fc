"""Machines, their states and what connects them, as one graph. Needs the extra ``[graph]``.

Nodes are machines, by id, and states, ``id:Name``. Keys of edges tell their kind: ``has``,
``relation:…``, ``pipe:…``, ``child_of``, ``connected_to``. A machine that is only mentioned is a
placeholder, ``known=False``, until it is added.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary, ref

import am_machine as am

from ._graph_text import to_dict, to_dot, to_markdown
from ._origins import origins
from ._pipe import Pipe, pipes_of, unwatch_pipes, watch_pipes
from ._schema_tools import RELATIONS

if TYPE_CHECKING:
    from collections.abc import Iterable

try:
    nx: Any = import_module("networkx")  # it has no types of its own
except ImportError as exc:
    raise ImportError("Graph needs networkx: install am-helpers[graph]") from exc

LINKS = ("pipe:add", "pipe:remove", "connected_to")


class Graph:
    """A graph of machines; ``nx`` is the `networkx.MultiDiGraph` itself.

    The graph does not keep machines alive.
    """

    def __init__(self) -> None:
        self.nx = nx.MultiDiGraph()
        self._machines: WeakValueDictionary[str, Any] = WeakValueDictionary()
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
        nodes = self.nx.nodes(data=True)
        return tuple(n for n, data in nodes if data["kind"] == "machine" and data["known"])

    def machine(self, machine_id: str) -> am.MachineApi | None:
        """Return a machine of the graph, if it still lives."""
        found: am.MachineApi | None = self._machines.get(machine_id)
        return found

    def add_machine(self, mach: am.MachineApi) -> None:
        """Add a machine with its states, relations, parent and pipes; or update it."""
        node = mach.id
        self._machines[node] = mach
        parent = mach.parent
        self.nx.add_node(
            node,
            kind="machine",
            known=True,
            tags=tuple(mach.tags),
            parent=parent.id if parent is not None else None,
            state_names=tuple(mach.schema),
            active=mach.active,
        )
        self._add_states(mach)
        if parent is not None:
            self._mention(parent.id)
            self.nx.add_edge(node, parent.id, key="child_of")
        self._add_pipes(mach)
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
            self.nx.add_edge(mach.id, f"{mach.id}:{name}", key="has")
        for name in schema:
            for kind in RELATIONS:
                for other in getattr(schema[name], kind):
                    ends = f"{mach.id}:{name}", f"{mach.id}:{other}"
                    self.nx.add_edge(*ends, key=f"relation:{kind}")

    def remove_machine(self, machine_id: str) -> None:
        """Take a machine and its states out; if others still name it, a placeholder stays."""
        if machine_id not in self.nx:
            return
        states = [n for n in self.nx.successors(machine_id) if self._kind(n) == "state"]
        mentions = [
            (source, key, dict(data))
            for source, _, key, data in self.nx.in_edges(machine_id, keys=True, data=True)
            if key in ("child_of", "connected_to")
        ]
        self.nx.remove_nodes_from([*states, machine_id])
        self._machines.pop(machine_id, None)
        for source, key, data in mentions:
            self._mention(machine_id)
            self.nx.add_edge(source, machine_id, key=key, **data)

    def connect(self, machine_id: str, other_id: str, addr: str = "") -> None:
        """Add an edge for a network connection between two machines, known or not."""
        self._mention(machine_id)
        self._mention(other_id)
        self.nx.add_edge(machine_id, other_id, key="connected_to", addr=addr)

    def _mention(self, machine_id: str) -> None:
        if machine_id not in self.nx:
            self.nx.add_node(
                machine_id,
                kind="machine",
                known=False,
                tags=(),
                parent=None,
                state_names=(),
                active=(),
            )

    def _kind(self, node: str) -> str:
        return str(self.nx.nodes[node]["kind"])

    # -------------------------------------------------------------------- pipes

    def pipe_changed(self, pipe: Pipe) -> None:
        """Follow a pipe that was attached or detached, if one of its machines is in the graph."""
        for mach in (pipe.source, pipe.target):
            if self._machines.get(mach.id) is mach:
                self._add_pipes(mach)

    def _add_pipes(self, mach: am.MachineApi) -> None:
        """Draw the pipes of a machine anew."""
        own = {mach.id, *(f"{mach.id}:{name}" for name in mach.schema)}
        stale = [
            (a, b, key)
            for a, b, key in self.nx.edges(keys=True)
            if key.startswith("pipe:") and (a in own or b in own)
        ]
        self.nx.remove_edges_from(stale)
        told = set()
        for pipe in pipes_of(mach):
            for route in pipe.routes:
                source = self._end(pipe.source.id, route.source_state)
                target = self._end(pipe.target.id, route.target_state)
                if self._kind(source) != self._kind(target):
                    source, target = pipe.source.id, pipe.target.id
                self.nx.add_edge(source, target, key=f"pipe:{route.kind}")
                far = pipe.target if pipe.source is mach else pipe.source
                told.add((route.kind, far.id))
        for entry in mach.sem_log.pipes:  # pipes whose far end lives in another process
            if (entry.kind, entry.machine_id) not in told:
                self._mention(entry.machine_id)
                ends = (mach.id, entry.machine_id)
                self.nx.add_edge(
                    *(ends if entry.direction == "out" else ends[::-1]), key=f"pipe:{entry.kind}"
                )

    def _end(self, machine_id: str, state: str) -> str:
        self._mention(machine_id)
        node = f"{machine_id}:{state}"
        return node if node in self.nx else machine_id

    # ------------------------------------------------------------------ reading

    def update_active(self) -> None:
        """Read the active states of all machines that still live; also done before each output."""
        for machine_id, mach in tuple(self._machines.items()):
            if machine_id in self.nx:
                self.nx.nodes[machine_id]["active"] = mach.active

    def near(self, ids: Iterable[str], distance: int = 1, depth: int = 1) -> Graph:
        """Return the part around some machines, as a graph of its own that is not live.

        It holds the machines within ``distance`` pipes or connections, in either direction, and
        for each of these its parents and children up to ``depth`` levels.
        """
        links = self._machine_graph(LINKS)
        families = self._machine_graph(("child_of",))
        found = self._within(links, set(ids), distance)
        found = self._within(families, found, depth)
        states = {f"{m}:{name}" for m in found for name in self.nx.nodes[m]["state_names"]}
        part = Graph()
        part.nx = self.nx.subgraph(found | states).copy()
        part._machines.update({m: self._machines[m] for m in found if m in self._machines})
        return part

    def _machine_graph(self, keys: tuple[str, ...]) -> Any:
        """Machines only, joined by edges of these kinds wherever they begin and end."""
        joined = nx.Graph()
        joined.add_nodes_from(n for n in self.nx if self._kind(n) == "machine")
        for a, b, key in self.nx.edges(keys=True):
            if key in keys:
                joined.add_edge(self._machine_of(a), self._machine_of(b))
        return joined

    def _machine_of(self, node: str) -> str:
        data = self.nx.nodes[node]
        return node if data["kind"] == "machine" else str(data["machine"])

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
        copy = Graph()
        copy.nx = self.nx.copy()
        copy._machines.update(self._machines)
        return copy

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
