"""The example tells the story of its README; keys, sizes and readings do what they say."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import trio
from textual.widgets import Digits, Sparkline

import am_helpers as amh
from examples.tui.main import KEPT, Board, story

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def test_the_story_is_the_one_of_the_readme(told: str) -> None:
    mach, lines = asyncio.run(story())
    assert "".join(f"{line}\n" for line in lines) == told
    assert mach.disposed
    assert mach.err is None


def counting() -> Callable[[], Awaitable[float]]:
    """Readings one after the other, as many as the curve shows and ten more."""
    left = iter(range(KEPT + 10))

    async def read() -> float:
        await trio.lowlevel.checkpoint()
        value = next(left, None)
        if value is None:
            await trio.sleep_forever()
            raise AssertionError
        return float(value)

    return read


def test_the_curve_keeps_the_latest_readings_and_comes_back_with_room() -> None:
    async def play() -> None:
        app = Board(counting())
        mach = app.machine
        async with amh.guest.open_host() as host, host.open(mach):
            mach.add("Start")
            async with app.run_test(size=(40, 20)) as pilot:
                await host.wait(mach.when("Narrow"), timeout=5)
                curve = app.query_one(Sparkline)
                assert not curve.display
                last = 2 * (KEPT + 10) - 1
                await host.wait(mach.when_time({"IncomingData": last}), timeout=5)
                assert curve.data == [float(value) for value in range(10, KEPT + 10)]
                assert app.query_one(Digits).value == f"{KEPT + 9}.0"
                wide = mach.when_not("Narrow")
                await pilot.resize_terminal(80, 24)
                await host.wait(wide, timeout=5)
                assert curve.display

    asyncio.run(play())


def test_leaving_ends_the_task_that_reads() -> None:
    async def play() -> None:
        ended = trio.Event()

        async def read() -> float:
            try:
                await trio.sleep_forever()
            finally:
                ended.set()
            raise AssertionError

        app = Board(read)
        async with amh.guest.open_host() as host, host.open(app.machine):
            app.machine.add("Start")
            async with app.run_test() as pilot:
                await host.wait(app.machine.when("Feeding"), timeout=5)
                await pilot.press("q")
                await host.run(ended.wait)
                assert app.machine.not_("Start", "Ready", "Feeding")

    asyncio.run(play())
