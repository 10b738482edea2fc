"""`on_asyncio`: the same calls in an asyncio program."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node


class Mixed(am_node.Worker):
    async def work(self, input: int, seconds: float = 0) -> int:
        await trio.sleep(seconds)
        if input < 0:
            raise ArithmeticError("no roots here")
        return input**2


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield
    gc.collect()
    assert list(tmp_path.iterdir()) == []


def with_pool(body: Callable[[am_node.AsyncioPool], Awaitable[None]], workers: int = 2) -> None:
    async def main() -> None:
        launcher = am_node.MemoryLauncher(Mixed)
        async with am_node.on_asyncio(Mixed, workers=workers, launcher=launcher) as pool:
            await asyncio.wait_for(body(pool), 20)

    asyncio.run(main())


def test_work_map_and_status_are_awaited_in_asyncio() -> None:
    async def body(pool: am_node.AsyncioPool) -> None:
        assert await pool.work(input=12) == 144
        both = await asyncio.gather(pool.work(input=1), pool.work_with({"input": 2}))
        assert both == [1, 4]
        inputs = [{"input": n} for n in range(50)]
        assert {a["input"]: r async for a, r in pool.map(inputs)} == {n: n * n for n in range(50)}
        assert (await pool.status()).max == 2

    with_pool(body)


def test_inputs_may_come_from_asyncio() -> None:
    async def inputs() -> AsyncIterator[dict[str, int]]:
        for n in range(20):
            await asyncio.sleep(0)
            yield {"input": n}

    async def broken() -> AsyncIterator[dict[str, int]]:
        yield {"input": 1}
        raise LookupError("no more of them")

    async def body(pool: am_node.AsyncioPool) -> None:
        found = [result async for _, result in pool.map(inputs(), ordered=True)]
        assert found == [n * n for n in range(20)]
        with pytest.raises(LookupError, match="no more of them"):
            [pair async for pair in pool.map(broken())]

    with_pool(body)


def test_errors_are_raised_in_asyncio() -> None:
    async def body(pool: am_node.AsyncioPool) -> None:
        with pytest.raises(am_node.WorkError, match="no roots here"):
            await pool.work(input=-1)
        with pytest.raises(am_node.WorkError, match="no roots here"):
            [pair async for pair in pool.map([{"input": n} for n in (1, -1, 2)])]
        assert await pool.work(input=2) == 4

    with_pool(body)


def test_cancelling_a_call_cancels_its_work() -> None:
    async def body(pool: am_node.AsyncioPool) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await pool.work(input=1, seconds=600, timeout=None)
        assert await pool.work(input=2, timeout=10) == 4

    with_pool(body, workers=1)


def test_a_map_that_is_closed_half_way_frees_its_workers() -> None:
    async def body(pool: am_node.AsyncioPool) -> None:
        results = pool.map({"input": n} for n in range(10_000))
        await anext(results)
        await results.aclose()
        assert await pool.work(input=2, timeout=10) == 4

    with_pool(body)


def test_an_error_of_the_body_comes_out_bare() -> None:
    async def body(pool: am_node.AsyncioPool) -> None:
        raise LookupError("of the body")

    with pytest.raises(LookupError, match="of the body"):
        with_pool(body)


def test_a_worker_that_cannot_come_up_is_told_at_once() -> None:
    class Broken(am_node.Worker):
        def __init__(self) -> None:
            raise RuntimeError("no luck")

    async def main() -> Any:
        async with am_node.on_asyncio(Broken, launcher=am_node.MemoryLauncher(Broken)):
            raise AssertionError("never reached")

    with pytest.raises(am_node.PoolError, match="RuntimeError: no luck"):
        asyncio.run(main())
