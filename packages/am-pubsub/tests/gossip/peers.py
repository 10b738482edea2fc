"""Cores joined by hand: what one sends is handed to the other at once, or not at all."""

from __future__ import annotations

from random import Random

from am_pubsub import TopicConfig
from am_pubsub._gossip.core import Core
from am_pubsub._gossip.entries import Info
from am_pubsub._gossip.messages import Kind, pack
from am_pubsub._simulation.network import plain_hash

STATES = ("Start", "Ready", "Working")
ANY = TopicConfig()


def core(name: str, *, config: TopicConfig = ANY, epoch: int = 1000, topic: str = "t") -> Core:
    """Return a peer of eight letters that exposes its own machine."""
    one = Core(
        topic, name.ljust(8, "_").encode(), epoch, config, Random(1), 0.0, schema_hash=plain_hash
    )
    schema = one.add_schema({state: {} for state in STATES})
    one.expose(0, Info(f"{name}-0", "", (), schema, (f"to:{name}",)), (1, 1, 0), 0.0)
    return one


def expose(one: Core, index: int, *ticks: int) -> None:
    """Let a peer offer one more machine."""
    schema = plain_hash({state: {} for state in STATES})
    one.expose(index, Info(f"m{index}", "", (), schema), ticks or (1, 0, 0), 0.0)


def greeted(one: Core, link: int, name: str, links: int = 6, now: float = 0.0) -> None:
    """Let a newcomer say who it is, on a link that it dialled."""
    one.link_up(link, None, now)
    hello = pack(Kind.HELLO, "t", name.encode().ljust(8, b"_"), links, bytes(8))
    one.received(link, hello, now)


class Pair:
    """Two cores with a link, number 1 on both sides."""

    def __init__(self, a: Core, b: Core) -> None:
        self.a = a
        self.b = b
        self.now = 0.0
        self.lose = False
        a.link_up(1, "to:b", self.now)
        b.link_up(1, None, self.now)
        self.talk()

    def talk(self) -> int:
        """Hand over what both have to say until both are silent; return how many messages."""
        count = 0
        while True:
            said = [(self.b, data) for _, data in self.a.output.sends]
            said += [(self.a, data) for _, data in self.b.output.sends]
            self.a.output.sends.clear()
            self.b.output.sends.clear()
            if not said:
                return count
            for to, data in said:
                count += 1
                if not self.lose:
                    to.received(1, data, self.now)

    def run(self, seconds: float) -> int:
        """Let time pass for both; return how many messages were said."""
        until = self.now + seconds
        count = 0
        while True:
            self.now = min(self.a.next_due(), self.b.next_due())
            if self.now > until:
                self.now = until
                return count
            for one in (self.a, self.b):
                if one.next_due() <= self.now:
                    one.advance(self.now)
            count += self.talk()
