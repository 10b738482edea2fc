"""What a topic does at size: each scenario plays one run and returns figures beside their goals."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from .network import Network

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .network import Node

SEEDS = ("p0", "p1", "p2")
"""The peers that all others are told of."""
_REMEMBERED = 600
"""Seconds for which it is remembered that a machine is gone, by default."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run, and what it may be at most; None: it is only reported."""

    what: str
    value: float
    goal: float | None
    unit: str

    @property
    def holds(self) -> bool:
        """Whether the goal is met."""
        return self.goal is None or self.value <= self.goal


# -- parts


def grow(net: Network, peers: int, machines: int, within: float = 1.0) -> None:
    """Let this many peers start at random moments."""
    moments = Random(peers)
    for number in range(peers):
        name = f"p{number}"
        connect = [seed for seed in SEEDS if seed != name]
        moment = 0.0 if name in SEEDS else moments.uniform(0, within)
        net.at(net.now + moment, _starting(net, name, machines, connect))


def _starting(net: Network, name: str, machines: int, connect: Sequence[str]) -> Callable[[], None]:
    def start() -> None:
        net.start(name, machines=machines, connect=connect)

    return start


def all_know(net: Network, peers: int, machines: int) -> bool:
    """Tell whether this many peers are there, and each knows all machines of all."""
    alive = net.alive()
    return len(alive) == peers and all(
        len(node.core.table) == peers * (machines + 1) for node in alive
    )


def all_equal(net: Network) -> bool:
    """Tell whether all that are there hold the same."""
    return len({node.core.table.digest.root for node in net.alive()}) == 1


def grown(seed: int, peers: int, machines: int, *, loss: float = 0.0) -> Network:
    """Return a network that has come to rest, with a minute to find its links."""
    net = Network(seed)
    grow(net, peers, machines)
    if not net.run(60, done=lambda: all_know(net, peers, machines)):
        raise RuntimeError(f"seed {seed}: {peers} peers did not find each other")
    net.run(net.now + 60)
    net.loss = loss
    return net


def sums(net: Network) -> Counter[str]:
    """Return the counters of all peers together."""
    total: Counter[str] = Counter()
    for node in net.nodes.values():
        total.update(node.core.output.counts)
    return total


def _until(net: Network, limit: float, done: Callable[[], bool]) -> float:
    """Return how long it took until `done`; twice the limit if it did not come to that."""
    began = net.now
    return net.now - began if net.run(began + limit, done=done) else 2 * limit


# -- the scenarios of the specification


def joining(seed: int, peers: int = 100) -> list[Figure]:
    """All join within a second: with three machines each, with one where they are many."""
    net = Network(seed)
    machines = 3 if peers <= 100 else 1
    grow(net, peers, machines)
    began = time.process_time()
    took = _until(net, 30, lambda: all_know(net, peers, machines))
    wall = time.process_time() - began
    sent = sums(net)["sent"] / peers
    large = peers > 100
    return [
        Figure(f"{peers} join, all know all", took, 5 if large else 4, "s V"),
        Figure(f"{peers} join, processor", wall, 60 if large else 5, "s"),
        Figure(f"{peers} join, messages a peer", sent, None if large else 60, ""),
    ]


def changing(seed: int, peers: int = 100) -> list[Figure]:
    """One machine moves, seen by all; then while messages get lost."""
    net = grown(seed, peers, 1)
    chosen = Random(seed)
    took = _until(net, 10, _change(net, chosen, 5))
    net.loss = 0.05
    lossy = [_until(net, 60, _change(net, chosen, 10 + turn)) for turn in range(10)]
    net.loss = 0.0
    rest = _until(net, 60, lambda: all_equal(net))
    return [
        Figure(f"one change known by {peers}", took, 0.5, "s V"),
        Figure(f"one change known by {peers}, 5 % lost, worst of 10", max(lossy), 12, "s V"),
        Figure(f"{peers} equal after the losses", rest, 12, "s V"),
    ]


def _change(net: Network, chosen: Random, tick: int) -> Callable[[], bool]:
    node = chosen.choice(net.alive())
    vector = (tick, tick, tick)
    net.change(node, 1, vector)

    def known() -> bool:
        return all(other.ticks_of(node, 1) == vector for other in net.alive())

    return known


def joining_late(seed: int, peers: int = 100) -> list[Figure]:
    """One more joins a topic that is at rest."""
    net = grown(seed, peers, 1)
    late = net.start("late", machines=1, connect=SEEDS)
    records = 2 * (peers + 1)
    knows = _until(net, 10, lambda: len(late.core.table) == records)
    known = knows + _until(
        net, 10, lambda: all(len(node.core.table) == records for node in net.alive())
    )
    got = late.core.output.counts["received.bytes"] / 1000
    return [
        Figure(f"late joiner of {peers} knows all", knows, 2, "s V"),
        Figure(f"late joiner of {peers} known by all", known, 2, "s V"),
        Figure(f"late joiner of {peers} receives", got, 300, "kB"),
    ]


def parting(seed: int) -> list[Figure]:
    """Ten and ten do not hear each other for a minute, and move meanwhile."""
    net = grown(seed, 20, 1)
    nodes = net.alive()
    net.partition((nodes[:10], nodes[10:]))
    for second in range(1, 60):
        for node in (nodes[second % 10], nodes[10 + second % 10]):
            net.at(net.now + second, _moving(net, node, (second, 0, second)))
    net.run(net.now + 60)
    apart = len({node.core.table.digest.root for node in nodes})
    net.heal()
    took = _until(net, 30, lambda: _whole(net, 20, 1))
    back = sum(node.core.output.counts["dropped.regressed"] for node in nodes)
    return [
        Figure("both sides equal after a partition", took, 5, "s V"),
        Figure("views while apart", apart, 2, ""),
        Figure("records of an epoch that went back", back, 0, ""),
    ]


def _moving(net: Network, node: Node, vector: tuple[int, ...]) -> Callable[[], None]:
    return lambda: net.change(node, 1, vector)


def _whole(net: Network, peers: int, machines: int) -> bool:
    live = peers * (machines + 1)
    return all_equal(net) and all(
        sum(not record.is_gone for record in node.core.table) == live for node in net.alive()
    )


def idling(seed: int, peers: int = 100) -> list[Figure]:
    """Nothing happens for ten minutes."""
    net = grown(seed, peers, 1)
    before = sums(net)
    records = sum(len(node.core.table) for node in net.alive())
    net.run(net.now + 600)
    after = sums(net)
    more = sum(len(node.core.table) for node in net.alive()) - records
    share = peers * 600
    return [
        Figure("idle, messages a second", (after["sent"] - before["sent"]) / share, 0.25, ""),
        Figure(
            "idle, bytes a second", (after["sent.bytes"] - before["sent.bytes"]) / share, 20, "B"
        ),
        Figure("idle, records more", more, 0, ""),
    ]


def dying(seed: int, peers: int = 30) -> list[Figure]:
    """One is killed, one frozen; one comes back with a clock that was set back."""
    net = grown(seed, peers, 1)
    killed, frozen, stale = net.nodes["p5"], net.nodes["p9"], net.nodes["p11"]
    net.freeze(stale)  # it will not hear of the death, and hold what was
    net.kill(killed)
    gone = _until(net, 60, lambda: _gone(net, killed))
    net.freeze(frozen)
    stopped = _until(net, 60, lambda: _gone(net, frozen))
    net.run(net.now + _REMEMBERED - 60)
    net.thaw(stale)
    net.run(net.now + 50)
    revived = sum(not _is_gone(node, killed) for node in net.alive())
    net.start("p5", machines=1, connect=SEEDS, epoch=killed.core.epoch - 3_600_000)
    back = _until(net, 30, lambda: not any(_is_gone(node, killed) for node in net.alive()))
    net.thaw(frozen)
    thawed = _until(net, 30, lambda: not any(_is_gone(node, frozen) for node in net.alive()))
    return [
        Figure("killed, gone everywhere", gone, 10, "s V"),
        Figure("frozen, gone everywhere", stopped, 16, "s V"),
        Figure("peers that see a dead one whom a thawed one still knew", revived, 0, ""),
        Figure("restarted with its clock an hour back, seen", back, 2, "s V"),
        Figure("thawed, seen again", thawed, None, "s V"),
    ]


def _is_gone(node: Node, who: Node) -> bool:
    return not node.ticks_of(who, 1)


def _gone(net: Network, who: Node) -> bool:
    return all(_is_gone(node, who) for node in net.alive())


def suspecting(seed: int, peers: int = 100, hours: float = 0.05) -> list[Figure]:
    """A fifth of all that is said gets lost: who is suspected though nobody died?"""
    net = grown(seed, peers, 1)
    before = sums(net)
    net.loss = 0.2
    for node in net.alive():
        net.beat(node)
    net.run(net.now + hours * 3600)
    after = sums(net)
    share = peers * hours
    return [
        Figure(
            "20 % lost, suspicions a peer and hour",
            (after["suspected"] - before["suspected"]) / share,
            None,
            "",
        ),
        Figure(
            "20 % lost, of these not refuted in time",
            (after["unrefuted"] - before["unrefuted"]) / share,
            None,
            "",
        ),
    ]


SCENARIOS: dict[str, Callable[[int], list[Figure]]] = {
    "joining": joining,
    "changing": changing,
    "joining_late": joining_late,
    "parting": parting,
    "idling": idling,
    "dying": dying,
    "suspecting": suspecting,
}
