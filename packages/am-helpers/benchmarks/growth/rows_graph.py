"""Graphs, pipes and diagrams of many machines or states."""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib.util import find_spec
from itertools import pairwise
from typing import TYPE_CHECKING

from growth import Row, Sample, looped, seconds

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FOO = am.Schema({"Foo": {}, "Bar": {"require": ["Foo"]}})


def chain(size: int) -> list[am.Machine]:
    """Machines each of which is piped to the next."""
    machines = [am.Machine(FOO, id=f"m{number}") for number in range(size)]
    for one, other in pairwise(machines):
        amh.bind(one, other, "Foo")
    return machines


def graph_of(size: int) -> Sample:
    """Make the graph of n machines; seconds a machine."""
    machines = chain(size)
    return lambda: seconds(lambda: amh.Graph.from_machines(*machines)) / size


@asynccontextmanager
async def pipe_in_graph(size: int) -> AsyncIterator[Sample]:
    """Bind and detach a pipe while a graph of n machines is kept up."""
    machines = chain(size)
    graph = amh.Graph.from_machines(*machines, live=True)
    first, last = machines[0], machines[-1]

    def loop(count: int) -> None:
        for _ in range(count):
            amh.bind(first, last, "Bar").detach()

    try:
        yield looped(loop)
    finally:
        graph.close()


def mirrored(size: int) -> Sample:
    """Toggle a state of a machine that another one mirrors, half of n being active; seconds a
    state, since all of them are set."""
    names = [f"State{number}" for number in range(size)]
    schema = am.Schema({name: {} for name in names})
    one, other = am.Machine(schema), am.Machine(schema)
    one.set(*names[::2])
    other.set(*names[::2])
    amh.bind_any(one, other)
    toggled = names[1]

    def toggle() -> None:
        one.toggle(toggled)
        assert other.is_(toggled) == one.is_(toggled)

    for _ in range(4):
        toggle()
    return lambda: seconds(toggle) / size


def drawn(size: int) -> Sample:
    """Draw a schema of n states, each with a relation; seconds a state."""
    names = [f"State{number}" for number in range(size)]
    schema = am.Schema(
        {
            name: {"require": [names[number - 1]]} if number else {}
            for number, name in enumerate(names)
        }
    )
    return lambda: seconds(lambda: amh.mermaid(schema)) / size


GRAPHS = [
    Row(
        "C15 graph", "the graph of n machines, per machine", (10, 40, 160, 640), (10, 160), graph_of
    ),
    Row(
        "C15 pipe",
        "one pipe comes and goes in a live graph of n machines",
        (10, 40, 160, 640),
        (10, 160),
        pipe_in_graph,
    ),
]
ROWS = [
    # Without its extra there is no graph.
    *(GRAPHS if find_spec("networkx") else ()),
    Row(
        "C16 bind_any",
        "`bind_any` of n states, half of them active, per state",
        (10, 100, 1_000, 4_000),
        (10, 1_000),
        mirrored,
    ),
    Row(
        "C16 mermaid",
        "a diagram of n states, per state",
        (10, 100, 1_000, 4_000),
        (10, 1_000),
        drawn,
    ),
]
