"""The wrong loop is told: under asyncio, or without any loop, an await says what to do."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable
from typing import Any

import pytest
import trio

import am_machine as am

Flat = Callable[..., am.Machine]


def test_opening_a_machine_under_asyncio_names_trio_and_the_guest(flat: Flat) -> None:
    async def main() -> None:
        async with flat():
            raise AssertionError

    with pytest.raises(RuntimeError, match=r"trio\.run.*am_helpers\.guest"):
        asyncio.run(main())


def test_a_machine_that_was_refused_under_asyncio_works_under_trio(flat: Flat) -> None:
    m = flat()

    async def main() -> None:
        async with m:
            m.add("A")

    with pytest.raises(RuntimeError):
        asyncio.run(main())
    trio.run(main)
    assert m.is_("A")


def pending_result(m: am.Machine) -> am.Result:
    """A result of a queue that is dropped with its machine."""
    found: list[am.Result] = []
    m.bind({"AState": lambda e: found.append(e.add("B"))})
    m.add("A")
    return found[0]


@pytest.mark.parametrize(
    "make",
    [
        lambda m: m.when("A"), lambda m: m.when_not("A"), lambda m: m.when_query(lambda clock: 0),
        lambda m: m.when_disposed(), lambda m: m.add("A"), pending_result,
    ],
)  # fmt: skip
def test_an_await_under_asyncio_names_what_to_do(flat: Flat, make: Callable[..., Any]) -> None:
    async def main() -> None:
        awaited = make(flat())
        with pytest.raises(RuntimeError, match=re.compile(r"trio.*host\.wait.*\.outcome", re.S)):
            await awaited

    asyncio.run(main())


@pytest.mark.trio
async def test_an_await_in_another_thread_raises_there_and_harms_no_mutation(flat: Flat) -> None:
    m = flat()
    wait, raised = m.when("A"), list[BaseException]()

    def elsewhere() -> None:
        async def main() -> None:
            await wait

        try:
            trio.run(main)
        except RuntimeError as exc:
            raised.append(exc)

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await trio.to_thread.run_sync(thread.join)
    assert "thread" in str(raised[0])
    assert m.add("A") is am.EXECUTED
    assert await wait


@pytest.mark.trio
async def test_a_wait_that_is_done_may_be_awaited_in_any_thread(flat: Flat) -> None:
    m = flat()
    wait = m.when("A")
    m.add("A")

    async def main() -> bool:
        return await wait

    assert await trio.to_thread.run_sync(lambda: trio.run(main)) is True


def test_a_context_of_an_inactive_state_cancels_its_body_at_the_first_checkpoint(
    flat: Flat,
) -> None:
    reached: list[str] = []

    async def main() -> None:
        async with flat() as m:
            with m.state_ctx("A"):
                reached.append("before")
                await trio.lowlevel.checkpoint()
                reached.append("after")
            reached.append("absorbed")

    trio.run(main)
    assert reached == ["before", "absorbed"]
