"""Every transport keeps what a topic relies on; as often as AM_PUBSUB_ROUNDS says."""

from __future__ import annotations

import os
import socket
from contextlib import AsyncExitStack
from itertools import count
from typing import TYPE_CHECKING

import pytest
import trio

import am_machine as am
from am_pubsub import Links, ListenError, Topic
from am_pubsub.testing import CONFORMANCE, MemoryNetwork
from am_pubsub.zenoh import Zenoh

from .polling import until
from .test_links import SECRET, tls

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from am_pubsub.testing import Carrier

pytestmark = pytest.mark.trio
ROUNDS = range(int(os.environ.get("AM_PUBSUB_ROUNDS", "1")))


def over_memory(folder: Path) -> Carrier:
    return MemoryNetwork(1).transport


def over_tcp(folder: Path) -> Carrier:
    return lambda name: Links()


def over_secret(folder: Path) -> Carrier:
    return lambda name: Links(secret=SECRET)


def over_unix(folder: Path) -> Carrier:
    return lambda name: Links(listen=f"unix:{folder / name}")


def over_tls(folder: Path) -> Carrier:
    options = tls()
    return lambda name: Links(**options)


def over_zenoh(folder: Path) -> Carrier:
    """The first peer of a round listens, the others reach it and so each other."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"tcp/127.0.0.1:{free.getsockname()[1]}"
    numbers = count()

    def carry(name: str) -> Zenoh:
        if next(numbers) == 0:
            return Zenoh(listen=(place,), find=0)
        return Zenoh(connect=(place,), mode="client", find=0)

    return carry


CARRIERS = {
    "memory": over_memory,
    "tcp": over_tcp,
    "secret": over_secret,
    "unix": over_unix,
    "tls": over_tls,
}


@pytest.mark.parametrize("turn", ROUNDS)
@pytest.mark.parametrize("carrier", CARRIERS)
@pytest.mark.parametrize("check", CONFORMANCE)
async def test_a_transport_keeps_what_a_topic_relies_on(
    check: str, carrier: str, turn: int, tmp_path: Path
) -> None:
    make: Callable[[Path], Carrier] = CARRIERS[carrier]
    await CONFORMANCE[check](make(tmp_path))


@pytest.mark.parametrize("turn", ROUNDS)
@pytest.mark.parametrize("check", CONFORMANCE)
async def test_zenoh_keeps_what_a_topic_relies_on(check: str, turn: int, tmp_path: Path) -> None:
    await CONFORMANCE[check](over_zenoh(tmp_path))


async def test_peers_find_each_other_by_a_router_of_zenoh_without_an_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"tcp/127.0.0.1:{free.getsockname()[1]}"
    machines = [am.Machine({"Start": {}}, id=f"m{number}") for number in range(3)]
    async with AsyncExitStack() as stack:
        router = Topic("other", transport=Zenoh(mode="router", listen=(place,)))
        await stack.enter_async_context(router)
        topics = [
            await stack.enter_async_context(
                Topic("jobs", transport=Zenoh(mode="client", connect=(place,)), machines=[one])
            )
            for one in machines
        ]
        await until(lambda: all(len(topic.machines()) == 2 for topic in topics))
        machines[0].add("Start")
        replica = next(one for one in topics[1].machines() if one.remote_id == "m0")
        with trio.fail_after(10):
            await replica.when("Start")
        assert router.peers == ()


async def test_a_zenoh_that_cannot_listen_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp/127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ListenError, match="zenoh"):
            async with Topic("jobs", transport=Zenoh(listen=(place,))):
                pass
