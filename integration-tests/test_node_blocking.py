"""A class whose work blocks the event loop, and says for how long it may."""

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = [pytest.mark.process, pytest.mark.trio, pytest.mark.slow]

WORKERS = textwrap.dedent("""\
    import time
    import am_node

    class Blocking(am_node.Worker):
        link_timeout = 60.0
        thread = False
        runs = 0

        def work(self, seconds: float) -> int:
            self.runs += 1
            time.sleep(seconds)
            return self.runs
    """)
# Twice the silence after which other workers are replaced, and the grace of their leases.
SECONDS = 4.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "blockers.py").write_text(WORKERS)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr("am_node._client.worker_link.LINK_TIMEOUT", 1.0)
    monkeypatch.setattr("am_node._client.worker_link.LEASE_GRACE", 1.0)
    return tmp_path


async def test_work_that_blocks_for_as_long_as_it_may_is_run_once_and_costs_nothing(
    folder: Path,
) -> None:
    timing = am_node.Timing(
        link_timeout=2.0, lease_grace=1.0, op_timeout=0.2, healthcheck_pause=0.1
    )
    pool = am_node.Pool(1, 1, 0)
    with trio.fail_after(40):
        async with (
            am_node.Supervisor("blockers:Blocking", pool=pool, timing=timing) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            worker = await client.request_worker()
            async with trio.open_nursery() as nursery:

                async def call() -> None:
                    assert await client.work(seconds=SECONDS, attempts=1) == 1

                nursery.start_soon(call)
                await trio.sleep(SECONDS / 4)
                sup.mach.add("Heartbeat")
            assert client.workers == (worker,)
            (info,) = await sup.workers()
            assert (info.id, info.errors, sup.restarts) == (worker, 0, 0)
