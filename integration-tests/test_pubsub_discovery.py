"""A client of a pool finds its supervisors by topic: two, then one, then none, then one again."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

import am_node
import am_pubsub

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.trio, pytest.mark.slow]

DOUBLERS = """\
import am_node

class Doubler(am_node.Worker):
    def work(self, x: int) -> int:
        return 2 * x
"""
WANTED = am_pubsub.Filters(tag="node-supervisor", states=("Ready",), without=("Draining",))


@asynccontextmanager
async def announced(entry: str, known: tuple[str, ...]) -> AsyncIterator[tuple[str, ...]]:
    """Run a supervisor and offer its machine in the topic; yield where that can be joined."""
    async with (
        am_node.Supervisor(entry, pool=am_node.Pool(min=1, max=1)) as supervisor,
        am_pubsub.Topic("pool", connect=known, transport=am_pubsub.Links()) as topic,
    ):
        topic.expose(supervisor.mach, tags=(f"addr:{supervisor.addr}",))
        yield topic.addresses


async def test_a_client_follows_the_supervisors_of_a_topic(tmp_path: Path) -> None:
    (tmp_path / "doublers.py").write_text(DOUBLERS)
    entry = f"{tmp_path / 'doublers.py'}:Doubler"
    async with am_pubsub.Topic("pool", transport=am_pubsub.Links()) as topic:
        discovery = am_pubsub.TagAddresses(topic, WANTED)
        async with am_node.Client("one", supers=discovery) as client:
            with trio.fail_after(60):
                async with announced(entry, topic.addresses) as there:
                    assert await client.work(x=1) == 2
                    async with announced(entry, there):
                        assert [await client.work(x=x) for x in range(4)] == [0, 2, 4, 6]
                assert topic.machines(WANTED) == []
            with trio.fail_after(60):
                async with announced(entry, topic.addresses):
                    assert await client.work(x=5) == 10
