# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-pubsub"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-pubsub = { path = "../../packages/am-pubsub", editable = true }
# ///
"""Gossip: three peers follow each other's machines, though two of them know only one address."""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_machine as am
import am_pubsub

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable

SUPERVISORS = am_pubsub.Filters(tag="node-supervisor", states=("Ready",), without=("Draining",))


class PotStates(am.States):
    """A pot of coffee."""

    Start = am.State()
    Warm = am.State(require=[Start])
    Empty = am.State(remove=[Warm])


def pot(place: str) -> am.Machine:
    """Return the machine of a pot, as its place offers it."""
    mach = am.Machine(PotStates, id=f"pot-{place}", tags=("pot", f"place:{place}"))
    amh.debug_env(mach)
    mach.add("Start")
    return mach


def peer(
    place: str, connect: Iterable[str] = (), machines: tuple[am.Machine, ...] = ()
) -> am_pubsub.Topic:
    """Return a peer of the topic `coffee`, on a free port of this host."""
    return am_pubsub.Topic("coffee", listen="127.0.0.1:0", connect=connect, machines=machines)


def seen(topic: am_pubsub.Topic) -> list[str]:
    """Return the ids of the machines that a peer sees."""
    return sorted(one.remote_id for one in topic.machines())


async def has(topic: am_pubsub.Topic, *ids: str) -> None:
    """Wait until these are the machines that a peer sees, and no others."""
    with topic.watch() as news:
        while seen(topic) != [*ids]:
            await anext(news)


async def story() -> None:
    """Tell who knows what, and how they learned it."""
    pots = {place: pot(place) for place in ("desk", "hall", "lab")}
    async with peer("desk", machines=(pots["desk"],)) as desk:
        async with (
            peer("hall", desk.addresses, (pots["hall"],)) as hall,
            peer("lab", desk.addresses, (pots["lab"],)) as lab,
        ):
            await has(lab, "pot-desk", "pot-hall")
            await has(hall, "pot-desk", "pot-lab")
            print("lab was told one address and sees:", *seen(lab))

            (there,) = lab.machines(am_pubsub.Filters(tag="place:hall"))
            warm = there.when("Warm")
            pots["hall"].add("Warm")
            await warm
            print("lab sees that the pot of the hall is warm:", there)
            print("lab cannot fill it from there:", bool(await there.add("Empty") is am.CANCELED))

            heard = hall.mach.when("MsgReceived")
            await lab.send(b"coffee in the hall")
            await heard
            print("hall was told so by a message to all")
        await has(desk)
        print("both left, desk sees no pot but its own")


@asynccontextmanager
async def discovery() -> AsyncGenerator[am_pubsub.TagAddresses]:
    """Find supervisors of a pool in the topic that AM_GOSSIP_CONNECT leads to, for a client.

    A supervisor is found once its machine is offered there: see `announce`.
    """
    known = os.environ.get("AM_GOSSIP_CONNECT", "").split()
    async with am_pubsub.Topic("pool", connect=known) as topic:
        yield am_pubsub.TagAddresses(topic, SUPERVISORS)


@asynccontextmanager
async def announce(
    supervisor: am.Machine, address: str, connect: Iterable[str] = ()
) -> AsyncGenerator[tuple[str, ...]]:
    """Offer the machine of a supervisor with its address; yield where the topic can be joined."""
    async with am_pubsub.Topic("pool", listen="127.0.0.1:0", connect=connect) as topic:
        topic.expose(supervisor, tags=(f"addr:{address}",))
        yield topic.addresses


def main() -> None:
    """Run the story."""
    trio.run(story)


if __name__ == "__main__":
    main()
