"""`run` and `open_pool`: a pool for as long as it is used."""

import gc
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node._names import RUNTIME_PREFIX


class Squarer(am_node.Worker):
    async def work(self, input: int) -> int:
        if input < 0:
            raise ArithmeticError("no roots here")
        return input**2


class Broken(am_node.Worker):
    def __init__(self) -> None:
        raise RuntimeError("no luck")

    def work(self) -> None: ...


class Noting(am_node.MemoryLauncher):
    """Knows how many workers there were, and are."""

    started = running = 0

    async def run(self, spec: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> Any:
        self.started += 1
        self.running += 1
        try:
            return await super().run(spec, task_status)
        finally:
            self.running -= 1


INPUTS = [{"input": n} for n in range(20)]


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield tmp_path
    assert not list(tmp_path.glob(f"{RUNTIME_PREFIX}*"))


@pytest.mark.trio
async def test_it_does_the_work_of_all_inputs_and_ends_its_workers(clock: None) -> None:
    launcher = Noting(Squarer)
    running = am_node.run(Squarer, INPUTS, workers=3, launcher=launcher)
    found = {args["input"]: result async for args, result in running}
    assert found == {n: n * n for n in range(20)}
    assert launcher.started == 3
    assert launcher.running == 0


@pytest.mark.trio
async def test_it_keeps_the_order_if_asked(clock: None) -> None:
    async def inputs() -> AsyncIterator[dict[str, int]]:
        for args in INPUTS:
            await trio.lowlevel.checkpoint()
            yield args

    launcher = Noting(Squarer)
    running = am_node.run(Squarer, inputs(), workers=3, ordered=True, launcher=launcher)
    assert [args["input"] async for args, _ in running] == list(range(20))


@pytest.mark.trio
async def test_there_are_no_more_workers_than_inputs(clock: None) -> None:
    launcher = Noting(Squarer)
    running = am_node.run(Squarer, INPUTS[:2], workers=30, launcher=launcher)
    assert [result async for _, result in running] in ([0, 1], [1, 0])
    assert launcher.started == 2


@pytest.mark.trio
async def test_the_first_error_ends_it_unless_errors_are_results(clock: None) -> None:
    inputs = [{"input": 1}, {"input": -1}]
    launcher = Noting(Squarer)
    with pytest.raises(am_node.WorkError, match="no roots here"):
        async for _ in am_node.run(Squarer, inputs, workers=1, launcher=launcher):
            pass
    assert launcher.running == 0
    running = am_node.run(Squarer, inputs, workers=1, return_errors=True, launcher=launcher)
    assert [type(result) async for _, result in running] == [int, am_node.WorkError]


@pytest.mark.trio
async def test_a_loop_that_is_left_ends_its_workers(clock: None) -> None:
    launcher = Noting(Squarer)
    async for _ in am_node.run(Squarer, INPUTS, workers=2, launcher=launcher):
        break
    gc.collect()
    with trio.fail_after(7):
        while launcher.running:  # noqa: ASYNC110 - what nobody holds tells nobody
            await trio.sleep(0.1)


@pytest.mark.trio
async def test_leaving_the_block_waits_for_the_end_of_the_workers(clock: None) -> None:
    launcher = Noting(Squarer)
    async with am_node.run(Squarer, INPUTS, workers=2, launcher=launcher) as results:
        await anext(results)
        assert launcher.running == 2
    assert launcher.running == 0
    await results.aclose()


def test_nothing_outlives_the_event_loop() -> None:
    launcher = Noting(Squarer)
    kept: list[Any] = []

    async def main() -> None:
        kept.append(am_node.run(Squarer, INPUTS, workers=2, launcher=launcher))
        await anext(kept[0])

    trio.run(main)
    assert launcher.started == 2
    assert launcher.running == 0
    kept.clear()


@pytest.mark.trio
async def test_a_worker_that_cannot_come_up_is_told_at_once(clock: None) -> None:
    with pytest.raises(am_node.PoolError, match="RuntimeError: no luck"):
        async for _ in am_node.run(Broken, [{}], launcher=am_node.MemoryLauncher(Broken)):
            pass


@pytest.mark.parametrize("workers", [0, -1])
def test_a_pool_without_workers_is_refused_at_the_call(workers: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        am_node.run(Squarer, INPUTS, workers=workers)
    with pytest.raises(ValueError, match="at least one"):
        am_node.blocking(Squarer, workers=workers)


@pytest.mark.trio
async def test_a_class_that_no_other_process_can_import_is_refused(clock: None) -> None:
    class Local(am_node.Worker): ...

    with pytest.raises(ValueError, match="defined inside a function"):
        async for _ in am_node.run(Local, [{}]):
            pass


def test_outside_of_trio_it_says_what_to_use() -> None:
    with pytest.raises(RuntimeError, match=r"am_node\.blocking.* am_node\.on_asyncio"):
        anext(am_node.run(Squarer, INPUTS)).send(None)  # type: ignore[attr-defined]


@pytest.mark.trio
async def test_a_pool_of_ones_own_is_a_client_like_any_other(clock: None) -> None:
    launcher = Noting(Squarer)
    async with am_node.open_pool(Squarer, workers=2, launcher=launcher) as client:
        assert await client.work(input=4) == 16
        status = await client.status()
        assert (status.min, status.max) == (1, 2)
    assert launcher.running == 0


@pytest.mark.trio
async def test_a_pool_of_somebody_elses_starts_nothing(pooled: Any, clock: None) -> None:
    async with pooled(Squarer, 1, 1) as sup:
        async with am_node.open_pool(Squarer, supers=[sup.addr]) as client:
            assert await client.work(input=5) == 25
        with pytest.raises(ValueError, match="decide on workers"):
            async with am_node.open_pool(Squarer, supers=[sup.addr], workers=2):
                pass
        assert sup.forks == 1


@pytest.mark.trio
@pytest.mark.parametrize("wrong", [5, None, object(), Squarer(), int, "no.module:Class"])
async def test_what_is_no_class_of_workers_is_refused_at_once(wrong: Any) -> None:
    told = "a subclass of am_node.Worker is needed, not "
    if wrong is not None:
        with pytest.raises(TypeError, match=told):
            am_node.Client("c", wrong)
    if not isinstance(wrong, str):
        with pytest.raises(TypeError, match=told):
            am_node.Supervisor(wrong)
    with pytest.raises(TypeError, match=told):
        async with am_node.open_pool(wrong):
            pass
