"""`blocking`: the same calls without an event loop."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node._shortcuts.portal import Portal


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
    assert [t.name for t in threading.enumerate() if t.name.startswith("am-node Mixed")] == []
    assert list(tmp_path.iterdir()) == []


def pool(workers: int = 2, worker: type[am_node.Worker] = Mixed) -> am_node.blocking:
    return am_node.blocking(worker, workers=workers, launcher=am_node.MemoryLauncher(worker))


def test_work_map_and_status_block_until_they_are_done() -> None:
    with pool() as mine:
        assert mine.work(input=12) == 144
        assert mine.work_with({"input": 3}, timeout=None) == 9
        found = {
            args["input"]: result for args, result in mine.map({"input": n} for n in range(50))
        }
        assert found == {n: n * n for n in range(50)}
        ordered = mine.map([{"input": n} for n in range(50)], ordered=True)
        assert [result for _, result in ordered] == [n * n for n in range(50)]
        assert list(mine.map([])) == []
        assert mine.status().max == 2
    with pytest.raises(RuntimeError, match="the pool was closed"):
        mine.work(input=1)


def test_errors_are_raised_where_the_call_was_made() -> None:
    with pool() as mine:
        with pytest.raises(am_node.WorkError, match="no roots here"):
            mine.work(input=-1)
        with pytest.raises(am_node.WorkTimeout):
            mine.work(input=1, seconds=60, timeout=0.2)
        with pytest.raises(am_node.WorkError, match="no roots here"):
            list(mine.map([{"input": n} for n in (1, 2, -1)]))
        kept = list(mine.map([{"input": n} for n in (1, -1)], ordered=True, return_errors=True))
        assert [type(result) for _, result in kept] == [int, am_node.WorkError]
        with pytest.raises(ValueError, match="at least one"):
            mine.map([], attempts=0)
        assert mine.work(input=2) == 4


def test_inputs_are_taken_in_the_thread_that_iterates_and_not_far_ahead() -> None:
    taken: list[int] = []

    def inputs() -> Iterator[dict[str, int]]:
        here = threading.get_ident()
        for n in range(10_000):
            assert threading.get_ident() == here
            taken.append(n)
            yield {"input": n}

    with pool() as mine:
        results = mine.map(inputs())
        next(results)
        assert len(taken) <= 2 * 2 + 1
        del results
        assert mine.work(input=2) == 4, "the workers are free again"


def test_results_cross_the_thread_many_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    class Quick(am_node.Worker):
        queue = 64

        async def work(self, input: int) -> int:
            return input

    calls: list[object] = []
    call = Portal.call

    def counted(self: Portal[Any], async_fn: Any, *args: Any) -> Any:
        calls.append(async_fn)
        return call(self, async_fn, *args)

    monkeypatch.setattr(Portal, "call", counted)
    with pool(2, Quick) as mine:
        assert len(list(mine.map({"input": n} for n in range(600)))) == 600
    assert len(calls) < 100


def test_an_error_of_the_inputs_comes_out_and_ends_the_work() -> None:
    def inputs() -> Iterator[dict[str, int]]:
        yield {"input": 1}
        raise LookupError("no more of them")

    with pool() as mine:
        with pytest.raises(LookupError, match="no more of them"):
            list(mine.map(inputs()))
        assert mine.work(input=2) == 4


def test_the_work_goes_on_while_inputs_take_their_time() -> None:
    seen: list[int] = []

    def inputs() -> Iterator[dict[str, int]]:
        yield {"input": 1}
        while not seen:  # the first result comes before the second input does
            time.sleep(0.01)
            yield {"input": 0}

    with pool() as mine:
        for args, _ in mine.map(inputs()):
            seen.append(args["input"])
    assert 1 in seen


def test_several_threads_may_call_at_once() -> None:
    found: list[int] = []
    with pool() as mine:
        calls = [
            threading.Thread(target=lambda n=n: found.append(mine.work(input=n))) for n in range(8)
        ]
        for call in calls:
            call.start()
        for call in calls:
            call.join()
    assert sorted(found) == [n * n for n in range(8)]


def test_an_interrupt_cancels_the_work_and_the_pool_goes_on() -> None:
    with pool(1) as mine:
        timer = threading.Timer(0.5, signal.raise_signal, [signal.SIGINT])
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            mine.work(input=1, seconds=600, timeout=None)
        timer.join()
        assert mine.work(input=2, timeout=10) == 4


def test_an_interrupt_while_it_opens_leaves_nothing_behind() -> None:
    class Never(am_node.MemoryLauncher):
        async def run(self, spec: Any, task_status: Any = trio.TASK_STATUS_IGNORED) -> Any:
            with trio.CancelScope() as scope:
                task_status.started(_NoProcess(scope))
                await trio.sleep_forever()
            return am_node.ExitInfo(signal=9)

    timer = threading.Timer(0.3, signal.raise_signal, [signal.SIGINT])
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), am_node.blocking(Mixed, launcher=Never(Mixed)):
        pass
    timer.join()
    assert time.monotonic() - began < 6


class _NoProcess:
    pid = None

    def __init__(self, scope: trio.CancelScope) -> None:
        self.terminate = self.kill = scope.cancel


def test_a_closed_pool_ends_calls_of_other_threads() -> None:
    ended: list[BaseException] = []

    def call(mine: am_node.BlockingPool) -> None:
        try:
            mine.work(input=1, seconds=600, timeout=None)
        except RuntimeError as exc:
            ended.append(exc)

    with pool(1) as mine:
        thread = threading.Thread(target=call, args=(mine,))
        thread.start()
        while mine.status().workers[0].work_status != "Working":
            time.sleep(0.01)
    thread.join(5)
    assert [str(exc) for exc in ended] == ["the pool was closed"]


@pytest.mark.trio
async def test_in_a_thread_that_runs_trio_it_says_what_to_use() -> None:
    with pytest.raises(RuntimeError, match=r"open_pool, am_node\.run or am_node\.Client"), pool():
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_copy_is_told_instead_of_hanging() -> None:
    with pool(1) as mine:
        child = os.fork()
        if not child:
            try:
                mine.work(input=1)
            except RuntimeError as exc:
                os._exit(7 if "another process" in str(exc) else 8)
            os._exit(9)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert mine.work(input=2) == 4


def test_a_worker_that_cannot_come_up_is_told_at_once() -> None:
    class Broken(am_node.Worker):
        def __init__(self) -> None:
            raise RuntimeError("no luck")

    with pytest.raises(am_node.PoolError, match="RuntimeError: no luck"), pool(worker=Broken):
        pass
