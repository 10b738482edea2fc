"""Nothing of this package may leave a child process behind."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from hypothesis import settings

import am_node

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


def _children() -> set[int]:
    found: set[int] = set()
    for tasks in Path("/proc/self/task").glob("*/children"):
        with suppress(OSError):  # an idle thread of the pool may end at any time
            found.update(int(pid) for pid in tasks.read_text().split())
    return found


@pytest.fixture(autouse=True)
def no_children_are_left() -> Iterator[None]:
    """Compare the children of this process before and after each test."""
    before = _children()
    yield
    assert _children() - before == set()


Pooled = Callable[..., AbstractAsyncContextManager[am_node.Supervisor]]


@pytest.fixture
def pooled() -> Pooled:
    """A supervisor with workers in this process; the clock is the test's own."""

    @asynccontextmanager
    async def open_pool(
        worker: type[am_node.Worker], low: int = 1, high: int = 4, warm: int = 0, **options: Any
    ) -> AsyncIterator[am_node.Supervisor]:
        pool = options.pop("pool", am_node.Pool(low, high, warm))
        launcher = options.pop("launcher", None) or am_node.MemoryLauncher(worker)
        async with am_node.Supervisor(worker, pool=pool, launcher=launcher, **options) as sup:
            await sup.mach.when("PoolReady")
            yield sup

    return open_pool


@pytest.fixture
def clock() -> trio.abc.Clock:
    """Time stands still while anything happens; the threshold lets bytes cross a socket."""
    return trio.testing.MockClock(autojump_threshold=0.02)
