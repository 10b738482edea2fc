"""Cores on a network that is late, loses, and breaks where it is told to.

Nothing here waits: a heap of events is worked off in the order of virtual time. The same seed gives
the same run, byte for byte, which `trace` shows.
"""

from __future__ import annotations

import heapq
from hashlib import blake2b
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from am_pubsub._config import TopicConfig
from am_pubsub._gossip.core import Core
from am_pubsub._gossip.entries import Info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

HEARTBEAT = 3.0
"""Seconds between heartbeats of a link."""
DEAD = 9.0
"""Seconds of silence after which a link counts as down."""
CONNECT_TIMEOUT = 3.0
"""Seconds until a dial into nowhere fails."""


def plain_hash(wire: Mapping[str, Mapping[str, object]]) -> bytes:
    """Return a hash of a schema by its names: enough where no relation matters."""
    return blake2b("\n".join(wire).encode(), digest_size=16).digest()


def _later(what: Callable[..., None], *args: object) -> Callable[[], None]:
    return lambda: what(*args)


class Wire:
    """A connection between two nodes; each direction keeps its order."""

    __slots__ = ("ends", "id", "is_up", "last", "missed")

    def __init__(self, id: int, dialler: Node, acceptor: Node) -> None:
        self.id = id
        self.ends = (dialler, acceptor)
        self.last = [0.0, 0.0]
        self.missed = [0, 0]
        self.is_up = True

    def other(self, node: Node) -> Node:
        """Return who is at the other end."""
        return self.ends[1] if self.ends[0] is node else self.ends[0]


class Node:
    """A peer on the network: a core, and what the network does to it."""

    def __init__(self, name: str, core: Core, group: int) -> None:
        self.name = name
        self.core = core
        self.group = group
        self.is_alive = True
        self.is_frozen = False
        self.wires: dict[int, Wire] = {}
        self.waiting: list[Callable[[], None]] = []
        """What happened while it was frozen."""
        self.due: float | None = None

    @property
    def address(self) -> str:
        """Where it can be dialled."""
        return f"sim:{self.name}"

    def ticks_of(self, other: Node, index: int) -> tuple[int, ...]:
        """Return what this peer holds of a machine of another: nothing if it is gone or unknown."""
        held = self.core.table.get((other.core.peer, index))
        return held.entry.vector if held is not None else ()


class Network:
    """Nodes, the wires between them, and virtual time.

    `latency` are the bounds of a hop in seconds, `loss` the share of messages that vanish.
    """

    def __init__(
        self,
        seed: int,
        *,
        latency: tuple[float, float] = (0.005, 0.05),
        loss: float = 0.0,
        config: TopicConfig | None = None,
    ) -> None:
        self.now = 0.0
        self.loss = loss
        self.config = config or TopicConfig()
        self.nodes: dict[str, Node] = {}
        self._latency = latency
        self._random = Random(seed)
        self._numbers = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._trace = blake2b(digest_size=8)
        self._addresses: dict[str, Node] = {}

    @property
    def trace(self) -> str:
        """What stands for all messages that arrived so far, with their times."""
        return self._trace.hexdigest()

    # -- what a test does

    def start(
        self,
        name: str,
        *,
        machines: int,
        connect: Sequence[str] = (),
        states: Sequence[str] = ("Start", "Ready", "Working"),
        epoch: int | None = None,
        peer: bytes | None = None,
    ) -> Node:
        """Start a peer now, with the topic's own machine and this many others."""
        known = self.nodes.get(name)
        if known is not None and known.is_alive:
            raise ValueError(f"{name} runs already")
        id = peer or blake2b(name.encode(), digest_size=8).digest()
        core = Core(
            "sim",
            id,
            int(1e12 + self.now * 1000) if epoch is None else epoch,
            self.config,
            Random(self._random.random()),
            self.now,
            schema_hash=plain_hash,
            connect=[f"sim:{other}" for other in connect],
        )
        node = self.nodes[name] = Node(name, core, 0)
        self._addresses[node.address] = node
        schema = core.add_schema({state: {} for state in states})
        ticks = (1, *(0 for _ in states[1:]))
        for index in range(machines + 1):
            addrs = () if index else (node.address,)
            info = Info(f"{name}-{index}", "", (), schema, addrs)
            core.expose(index, info, ticks, self.now)
        self._settle(node)
        return node

    def change(self, node: Node, index: int, vector: tuple[int, ...]) -> None:
        """Let a machine move."""
        node.core.changed(index, vector, self.now)
        self._settle(node)

    def kill(self, node: Node) -> None:
        """End a process: its neighbours see their links end."""
        node.is_alive = False
        for wire in [*node.wires.values()]:
            self._cut(wire, self._hop(), but=node)

    def leave(self, node: Node) -> None:
        """Let a peer say goodbye and end."""
        node.core.leave(self.now)
        self._settle(node)
        self.kill(node)

    def freeze(self, node: Node) -> None:
        """Stop a process: its links fall silent."""
        node.is_frozen = True
        for wire in [*node.wires.values()]:
            self.at(self.now + DEAD, _later(self._silent, wire))

    def thaw(self, node: Node) -> None:
        """Let it go on: it meets all that happened meanwhile."""
        node.is_frozen = False
        waiting, node.waiting = node.waiting, []
        for happened in waiting:
            happened()
        self._settle(node)

    def partition(self, groups: Iterable[Iterable[Node]]) -> None:
        """Let groups of nodes not hear of each other."""
        for number, group in enumerate(groups):
            for node in group:
                node.group = number
        seen: set[int] = set()
        for node in self.nodes.values():
            for wire in node.wires.values():
                if wire.id not in seen and wire.ends[0].group != wire.ends[1].group:
                    seen.add(wire.id)
                    self.at(self.now + DEAD, _later(self._silent, wire))

    def heal(self) -> None:
        """Let all hear of all again."""
        for node in self.nodes.values():
            node.group = 0

    def alive(self) -> list[Node]:
        """Return the nodes that run."""
        return [node for node in self.nodes.values() if node.is_alive and not node.is_frozen]

    def beat(self, node: Node) -> None:
        """Let the links of a node depend on heartbeats, which get lost as all else.

        Links made while messages get lost do so anyway.
        """
        for wire in node.wires.values():
            if wire.ends[0] is node:
                self.at(self.now + HEARTBEAT * self._random.random(), _later(self._beat, wire))

    # -- time

    def at(self, time: float, what: Callable[[], None]) -> None:
        """Let something happen at a time."""
        heapq.heappush(self._events, (time, next(self._numbers), what))

    def run(self, until: float, *, done: Callable[[], bool] | None = None) -> bool:
        """Work off what happens until a time, or until `done`, which is asked each 50 ms."""
        look = self.now
        while self._events and self._events[0][0] <= until:
            time, _, what = heapq.heappop(self._events)
            self.now = max(self.now, time)
            if done is not None and self.now >= look:
                look = self.now + 0.05
                if done():
                    return True
            what()
        self.now = max(self.now, until)
        return done is not None and done()

    # -- the network

    def _hop(self) -> float:
        return self._random.uniform(*self._latency)

    def _settle(self, node: Node) -> None:
        """Carry out what a core wants, and wake it when it is due."""
        if not node.is_alive or node.is_frozen:
            return
        output = node.core.output
        sends, output.sends = output.sends, []
        for link, data in sends:
            wire = node.wires.get(link)
            if wire is not None and wire.is_up:
                self._send(wire, node, data)
        closes, output.closes = output.closes, []
        for link, _ in closes:
            wire = node.wires.pop(link, None)
            if wire is not None and wire.is_up:
                self._cut(wire, 2 * self._latency[1], but=node)
        dials, output.dials = output.dials, []
        for address in dials:
            self._dial(node, address)
        output.events.clear()
        due = max(self.now, node.core.next_due())
        if node.due is None or due < node.due or node.due <= self.now:
            node.due = due
            self.at(due, lambda: self._wake(node, due))

    def _wake(self, node: Node, due: float) -> None:
        if node.due == due and node.is_alive and not node.is_frozen:
            node.due = None
            node.core.advance(self.now)
            self._settle(node)

    def _send(self, wire: Wire, node: Node, data: bytes) -> None:
        if self.loss and self._random.random() < self.loss:
            return
        side = wire.ends.index(node)
        arrives = wire.last[side] = max(wire.last[side], self.now + self._hop())
        target = wire.other(node)
        self.at(arrives, lambda: self._arrive(wire, target, data))

    def _arrive(self, wire: Wire, target: Node, data: bytes) -> None:
        if wire.ends[0].group != wire.ends[1].group or wire.id not in target.wires:
            return
        self._trace.update(b"%d %.6f " % (wire.id, self.now))
        self._trace.update(data)
        self._happen(target, lambda: target.core.received(wire.id, data, self.now))

    def _happen(self, node: Node, what: Callable[[], None]) -> None:
        if not node.is_alive:
            return
        if node.is_frozen:
            node.waiting.append(what)
            return
        what()
        self._settle(node)

    def _dial(self, node: Node, address: str) -> None:
        target = self._addresses.get(address)
        hop = 2 * self._hop()
        if target is not None and (target.group != node.group or target.is_frozen):
            self.at(self.now + CONNECT_TIMEOUT, lambda: self._fail(node, address))
        else:
            self.at(self.now + hop, lambda: self._connect(node, target, address))

    def _fail(self, node: Node, address: str) -> None:
        self._happen(node, lambda: node.core.dial_failed(address, self.now))

    def _connect(self, node: Node, target: Node | None, address: str) -> None:
        if target is not None and not target.is_alive:
            target = self._addresses.get(address)
        if target is None or not target.is_alive or target.group != node.group:
            self._fail(node, address)
            return
        if not node.is_alive:
            return
        wire = Wire(next(self._numbers), node, target)
        node.wires[wire.id] = target.wires[wire.id] = wire
        self._happen(target, lambda: target.core.link_up(wire.id, None, self.now))
        self._happen(node, lambda: node.core.link_up(wire.id, address, self.now))
        if self.loss:
            self.at(self.now + HEARTBEAT, lambda: self._beat(wire))

    def _beat(self, wire: Wire) -> None:
        """Lose heartbeats as all else; a link that is silent for too long is down."""
        if not wire.is_up:
            return
        for side in (0, 1):
            lost = self._random.random() < self.loss
            wire.missed[side] = wire.missed[side] + 1 if lost else 0
        if max(wire.missed) * HEARTBEAT >= DEAD:
            self._cut(wire, 0.0)
        else:
            self.at(self.now + HEARTBEAT, lambda: self._beat(wire))

    def _silent(self, wire: Wire) -> None:
        """Take a link down whose ends could not hear each other for too long."""
        apart = wire.ends[0].group != wire.ends[1].group
        if wire.is_up and (apart or any(node.is_frozen for node in wire.ends)):
            self._cut(wire, 0.0)

    def _cut(self, wire: Wire, after: float, but: Node | None = None) -> None:
        wire.is_up = False
        for node in wire.ends:
            if node is but:
                node.wires.pop(wire.id, None)
            else:
                self.at(self.now + after, _later(self._down, wire, node))

    def _down(self, wire: Wire, node: Node) -> None:
        if node.wires.pop(wire.id, None) is not None:
            self._happen(node, lambda: node.core.link_down(wire.id, self.now))
