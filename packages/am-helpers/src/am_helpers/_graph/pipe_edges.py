"""The pipes in a graph: which edges each one has, and how many share an edge.

A pipe that comes or goes costs its own edges only, whatever else is in the graph. Pipes are known
by their ids here, since they would keep their machines alive.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from .._pipes.pipe import Pipe, pipes_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    import am_machine as am

    from .graph import Graph

Edge: TypeAlias = tuple[str, str, str]


class PipeEdges:
    """What is drawn of pipes."""

    def __init__(self) -> None:
        self._edges: dict[str, tuple[Edge, ...]] = {}
        self._shared: Counter[Edge] = Counter()
        self._of: dict[str, dict[str, None]] = {}  # machine id -> ids of its pipes

    def copy(self) -> PipeEdges:
        """For a copy of the graph."""
        twin = PipeEdges()
        twin._edges = dict(self._edges)
        twin._shared = Counter(self._shared)
        twin._of = {machine: dict(ids) for machine, ids in self._of.items()}
        return twin

    def draw_all(self, graph: Graph, mach: am.MachineApi) -> None:
        """Draw the pipes of a machine, and of those that it had only what is still there."""
        present = {pipe.id: pipe for pipe in pipes_of(mach)}
        for gone in [pipe_id for pipe_id in self._of.get(mach.id, ()) if pipe_id not in present]:
            self.erase(graph, gone, mach.id)
        for pipe in present.values():
            self.draw(graph, pipe)
        told = {
            (route.kind, (pipe.target if pipe.source is mach else pipe.source).id)
            for pipe in present.values()
            for route in pipe.routes
        }
        far = [  # pipes whose far end lives in another process
            (entry.kind, entry.direction == "out", entry.machine_id)
            for entry in mach.sem_log.pipes
            if (entry.kind, entry.machine_id) not in told
        ]
        if far:
            self._draw_far(graph, mach.id, far)

    def draw(self, graph: Graph, pipe: Pipe) -> None:
        """Draw a pipe, or draw it anew since one of its ends has become known."""
        ids = pipe.source.id, pipe.target.id
        edges = []
        for route in pipe.routes:
            source = graph.end_of_pipe(ids[0], route.source_state)
            target = graph.end_of_pipe(ids[1], route.target_state)
            if (source in graph.machine_nodes) != (target in graph.machine_nodes):
                source, target = map(graph.mention, ids)
            edges.append((source, target, f"pipe:{route.kind}"))
        self._enter(graph.nx, pipe.id, edges, ids)

    def _draw_far(self, graph: Graph, own: str, far: list[tuple[str, bool, str]]) -> None:
        edges = []
        for kind, is_out, other in far:
            ends = graph.mention(own), graph.mention(other)
            edges.append((*(ends if is_out else ends[::-1]), f"pipe:{kind}"))
        self._enter(graph.nx, f"log of {own}", edges, (own,))

    def _enter(
        self, nx: Any, pipe_id: str, edges: Iterable[Edge], machines: tuple[str, ...]
    ) -> None:
        new, old = tuple(dict.fromkeys(edges)), self._edges.get(pipe_id, ())
        self._edges[pipe_id] = new
        for edge in new:
            self._shared[edge] += 1
            if not nx.has_edge(*edge):
                nx.add_edge(*edge[:2], key=edge[2])
        self._leave(nx, old)
        for machine in machines:
            self._of.setdefault(machine, {})[pipe_id] = None

    def erase(self, graph: Graph, pipe_id: str, *machines: str) -> None:
        """Take a pipe out."""
        self._leave(graph.nx, self._edges.pop(pipe_id, ()))
        for machine in machines:
            self._of.get(machine, {}).pop(pipe_id, None)

    def erase_machine(self, graph: Graph, machine_id: str) -> None:
        """Take out all pipes of a machine that leaves the graph."""
        for pipe_id in self._of.pop(machine_id, {}):
            self.erase(graph, pipe_id)

    def _leave(self, nx: Any, edges: tuple[Edge, ...]) -> None:
        for edge in edges:
            self._shared[edge] -= 1
            if not self._shared[edge]:
                del self._shared[edge]
                if nx.has_edge(*edge):
                    nx.remove_edge(*edge)
