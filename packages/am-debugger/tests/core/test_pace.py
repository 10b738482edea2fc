"""Keys first: what comes in gives way, though never for long."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import trio
import trio.testing

from am_debugger._core.pace import LONGEST, LULL, Pace

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def by_mock_clock(test: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    """Run a test in trio, whose time goes by where all wait."""

    @functools.wraps(test)
    def run() -> None:
        trio.run(test, clock=trio.testing.MockClock(autojump_threshold=0))

    return run


@by_mock_clock
async def test_without_a_key_a_turn_is_a_checkpoint() -> None:
    pace, began = Pace(), trio.current_time()
    with trio.testing.assert_checkpoints():
        await pace.turn()
    assert trio.current_time() == began


@by_mock_clock
async def test_a_turn_lasts_until_the_key_is_on_the_screen() -> None:
    pace, began = Pace(), trio.current_time()
    pace.begin_key()

    async def shown() -> None:
        await trio.sleep(LONGEST / 4)
        pace.end_key()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(shown)
        await pace.turn()
    assert trio.current_time() - began == LONGEST / 4
    assert not pace.has_key


@by_mock_clock
async def test_a_key_that_never_comes_to_the_screen_holds_nothing_up_for_long() -> None:
    pace, began = Pace(), trio.current_time()
    pace.begin_key()
    for _ in range(10):
        await pace.turn()
    assert trio.current_time() - began == LONGEST


@by_mock_clock
async def test_keys_without_end_leave_a_third_of_the_time_to_what_comes_in() -> None:
    pace, began, worked = Pace(), trio.current_time(), 0.0
    pace.begin_key()
    while trio.current_time() - began < 100 * LONGEST:
        await pace.turn()
        await trio.sleep(0.001)  # the slice of work
        worked += 0.001
    assert worked / (trio.current_time() - began) > 0.3


@by_mock_clock
async def test_what_nobody_waits_for_rests_until_no_key_was_pressed_for_a_while() -> None:
    pace, began = Pace(), trio.current_time()
    with trio.testing.assert_checkpoints():
        await pace.lull()
    assert trio.current_time() == began
    pressed = 0

    async def press() -> None:
        nonlocal pressed
        for _ in range(20):
            pace.press()
            pressed += 1
            await trio.sleep(LULL * 0.9)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(press)
        await trio.testing.wait_all_tasks_blocked()
        await pace.lull()
    assert pressed == 20
    assert trio.current_time() - began >= 19 * LULL * 0.9 + LULL
    until = trio.current_time()
    await pace.lull()
    assert trio.current_time() == until
