"""How workers end: what was agreed is no error, and nothing else is taken for it."""

from __future__ import annotations

import sys
import textwrap
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


class Thrice(Echo):
    max_tasks = 3


class Five(Echo):
    max_tasks = 5
    queue = 16
    seen: ClassVar[dict[str, list[int]]] = {}

    async def work(self, x: int) -> int:
        type(self).seen.setdefault(self.mach.id, []).append(x)
        return x


async def test_a_goodbye_leaves_no_error_on_the_supervisor(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo) as sup:
        for number in range(3):
            async with am_node.Client(f"c{number}", Echo, supers=[sup.addr]) as client:
                assert await client.work(x=number) == number
            await trio.sleep(15)
            assert sup.mach.not_("Exception")
        assert sup.mach.tick("Exception") == 0


async def test_a_client_that_is_gone_when_it_is_told_something_is_no_error(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo) as sup:
        sup._shared.payload("LeaseEnded", {}, "rc-nobody")
        await trio.sleep(1)
        assert sup.mach.not_("Exception", "ErrSendPayload")


async def test_workers_that_did_all_they_may_end_as_planned(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with (
        pooled(Thrice, 2, 4) as sup,
        am_node.Client("c", Thrice, supers=[sup.addr]) as client,
    ):
        inputs = [{"x": number} for number in range(40)]
        results = [result async for _, result in client.map(inputs, workers=2, ordered=True)]
        assert results == list(range(40))
        await trio.sleep(5)
        assert sup.mach.tick("WorkerKilled") >= 2 * 12
        assert sup.restarts == 0
        assert sup.mach.tick("ErrWorker") == 0
        assert sup.mach.not_("CrashLoop")


async def test_no_worker_with_a_queue_does_more_than_its_most_tasks(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    Five.seen = {}
    async with pooled(Five, 2, 4) as sup, am_node.Client("c", Five, supers=[sup.addr]) as client:
        inputs = [{"x": number} for number in range(60)]
        results = [result async for _, result in client.map(inputs, workers=2, ordered=True)]
    assert results == list(range(60))
    assert max(map(len, Five.seen.values())) <= 5
    assert sum(map(len, Five.seen.values())) == 60


ENDS = textwrap.dedent("""\
    import os, signal, sys
    import am_node

    class Ends(am_node.Worker):
        thread = False

        def work(self, how):
            print("about to", how, file=sys.stderr, flush=True)
            if how == "exit 0":
                os._exit(0)
            if how == "exit 3":
                os._exit(3)
            if how == "segfault":
                os.kill(os.getpid(), signal.SIGSEGV)
            if how == "drain":
                os.kill(os.getpid(), signal.SIGTERM)
            return how
    """)
# A busy machine starts workers slowly; that is not what is tested here.
PATIENT = am_node.Timing(conn_timeout=30.0)
TOLD = {"exit 0": "exit code 0", "exit 3": "exit code 3", "segfault": "SIGSEGV"}


@pytest.mark.skipif(sys.platform != "linux", reason="signals by name")
async def test_the_caller_is_told_each_end_with_its_last_words_and_the_attempt(
    tmp_path: Path,
) -> None:
    (tmp_path / "ends.py").write_text(ENDS)
    entry = f"{tmp_path / 'ends.py'}:Ends"
    with trio.fail_after(60):
        async with (
            am_node.Supervisor(entry, pool=am_node.Pool(2, 4, 1), timing=PATIENT) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            await sup.mach.when("PoolReady")
            for count, (how, told) in enumerate(TOLD.items(), 1):
                killed = sup.mach.when_ticks("WorkerKilled", 2)
                with pytest.raises(am_node.WorkerLost) as caught:
                    await client.work(how=how, attempts=1)
                await killed
                assert told in str(caught.value)
                assert f"about to {how}" in str(caught.value)
                assert caught.value.attempt == 1
                assert sup.restarts == count
            killed = sup.mach.when_ticks("WorkerKilled", 4)
            with pytest.raises(am_node.WorkerLost) as caught:
                await client.work(how="segfault", attempts=2)
            await killed
            first, words = caught.value.__notes__
            assert first.startswith("Attempt 1, on the worker nw-Ends-")
            assert "SIGSEGV" in first
            assert words.endswith("about to segfault")
            # Asked to end from outside, it ends well.
            before = sup.restarts
            assert await client.work(how="drain") == "drain"
            assert await client.work(how="on") == "on"
            assert sup.restarts == before
