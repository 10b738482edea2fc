"""What several test modules share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import settings

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")

PROGRAM_LIMIT = 10.0  # seconds; only a program that hangs takes so long


class TransitionLog(am.Tracer):
    """Keeps every transition that ended, of all machines it is bound to."""

    def __init__(self) -> None:
        self.transitions: list[am.Transition] = []

    def transition_end(self, tx: am.Transition) -> None:
        self.transitions.append(tx)


@pytest.fixture
def transition_log() -> TransitionLog:
    return TransitionLog()


@pytest.fixture
def machine() -> Iterator[Callable[..., am.Machine]]:
    """A factory of quiet machines, disposed after the test."""
    made: list[am.Machine] = []

    def make(schema: Any, **options: Any) -> am.Machine:
        mach = am.Machine(schema, **options)
        mach.log_traceback = False
        made.append(mach)
        return mach

    yield make
    for mach in made:
        mach.dispose()


@pytest.fixture
def run_asyncio() -> Callable[[Callable[[], Coroutine[Any, Any, Any]]], Any]:
    """Run an asyncio program whose end is bounded, and which leaves no task and no trio behind."""

    async def whole(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async with asyncio.timeout(PROGRAM_LIMIT):
            result = await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not trio.lowlevel.in_trio_run()
        return result

    return lambda main: asyncio.run(whole(main))


class Blocked:
    """A trio function that waits until it is cancelled, and tells how it went."""

    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.told: list[str] = []

    async def __call__(self) -> None:
        self.began.set()
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)
            self.told.append("cleaned up")


@pytest.fixture
def blocked() -> Blocked:
    return Blocked()


@pytest.fixture
def other() -> Blocked:
    return Blocked()
