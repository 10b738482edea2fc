"""The example tells the story of its README, and refuses an order while the oven is in use."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import trio
from starlette.testclient import TestClient

import am_machine as am
from examples.asyncio_host.main import Bakery, BakeryStates, application, story

if TYPE_CHECKING:
    import pytest


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    mach = asyncio.run(story())
    assert capsys.readouterr().out == told
    assert mach.err is None


class SlowBakery(Bakery):
    """Bakes until it is told to end."""

    def __init__(self) -> None:
        super().__init__()
        self.lit, self.ready = threading.Event(), threading.Event()

    async def BakingState(self, event: am.Event) -> None:
        self.lit.set()
        await trio.to_thread.run_sync(self.ready.wait, 5)
        await super().BakingState(event)


def test_an_order_is_refused_while_the_oven_is_in_use() -> None:
    bakery = SlowBakery()
    mach = am.Machine(BakeryStates, handlers=bakery, id="bakery")
    with TestClient(application(mach)) as client:
        first: list[str] = []
        ordering = threading.Thread(target=lambda: first.append(client.post("/order").text))
        ordering.start()
        assert bakery.lit.wait(5)
        refused = client.post("/order")
        bakery.ready.set()
        ordering.join(5)
        assert (refused.status_code, refused.text) == (503, "the oven is in use")
        assert first == ["a loaf"]
    assert mach.disposed
