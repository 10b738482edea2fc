"""Launchers keep their promises on the engines themselves, and so do pools of them."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

from .conftest import CHAOS, ROOT
from .engine import Preempting
from .services import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

    from .engine import Engine

pytestmark = [pytest.mark.trio, pytest.mark.engines]

SECONDS = float(os.environ.get("AM_ENGINES_CHAOS", "60"))
QUEUED = min(30.0, SECONDS)


@pytest.fixture(autouse=True)
def nothing_left(engine: Engine) -> Iterator[None]:
    """Whatever a test did, the engine has nothing to do afterwards."""
    yield
    until(lambda: not engine.left(), 15, f"left on {engine.name}: {engine.left()}")


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
async def test_it_conforms(engine: Engine, check: LauncherCheck, command: tuple[str, ...]) -> None:
    await check(engine.launcher(command), patience=60)


async def test_chaos_loses_nothing(
    engine: Engine, command: tuple[str, ...], tmp_path: Path
) -> None:
    launcher = engine.launcher(command)
    report = await _chaos().chaos(
        0, SECONDS, "chaos_worker:Hasher", launcher, str(tmp_path), spare=1
    )
    print(*report.lines(), sep="\n")
    assert report.ok, "\n".join(report.lines())
    assert report.count(signal.SIGKILL) > 2
    assert report.count(signal.SIGSTOP) >= SECONDS // 60


async def test_a_node_that_goes_away_mid_work_loses_no_result(
    engine: Engine, command: tuple[str, ...]
) -> None:
    inputs = [{"number": number} for number in range(200)]
    pool = am_node.Pool(min=2, max=4, warm=2)
    launcher = engine.launcher(command)
    found: dict[int, int] = {}
    with trio.fail_after(110):
        async with (
            am_node.Supervisor("chaos_worker:Hasher", pool=pool, launcher=launcher) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            results = client.map(inputs, workers=4, timeout=100, attempts=20)
            async for args, result in results:
                assert args["number"] not in found
                found[args["number"]] = result
                if len(found) == 50:
                    await trio.to_thread.run_sync(engine.cut_off)
                    await trio.sleep(1)
                    await trio.to_thread.run_sync(engine.bring_back)
    assert found == {number: _chaos().result_of(number) for number in range(200)}


async def test_a_worker_that_waits_in_the_queue_has_not_failed(
    engine: Engine, command: tuple[str, ...]
) -> None:
    if not engine.queues:
        pytest.skip(f"{engine.name} has no queue")
    pool = am_node.Pool(min=1, max=1, warm=0)
    launcher = engine.launcher(command)
    await trio.to_thread.run_sync(engine.occupy)
    with trio.fail_after(QUEUED + 120):
        async with (
            am_node.Supervisor("chaos_worker:Hasher", pool=pool, launcher=launcher) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            await trio.sleep(QUEUED)  # as long as the engine keeps it waiting
            (waiting,) = await sup.workers()
            assert waiting.pending not in {"", "queued"}
            await trio.to_thread.run_sync(engine.make_room)
            assert await client.work(number=7, timeout=100) == _chaos().result_of(7)
            assert (sup.mach.tick("ErrWorker"), sup.mach.tick("ErrPool")) == (0, 0), sup.mach.err
            assert sup.restarts == 0
            (placed,) = await sup.workers()
            assert placed.id == waiting.id


async def test_a_preempted_worker_ends_what_it_has_and_is_no_error(
    engine: Engine, command: tuple[str, ...], notes: dict[str, str]
) -> None:
    if not isinstance(engine, Preempting):
        pytest.skip(f"{engine.name} preempts nobody")
    pool = am_node.Pool(min=1, max=1, warm=0)
    launcher = engine.launcher(command)
    with trio.fail_after(150):
        async with (
            am_node.Supervisor("chaos_worker:Slow", pool=pool, launcher=launcher) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
            trio.open_nursery() as nursery,
        ):
            first = await client.request_worker(timeout=60)
            begun = Path(notes["AM_NODE_CHAOS_LOG"])
            nursery.start_soon(trio.to_thread.run_sync, _preempt_at_work, engine, begun)
            # One attempt: work that is cut off would be lost.
            assert await client.work(number=7, timeout=100, attempts=1) == _chaos().result_of(7)
            assert await client.work(number=8, timeout=100, attempts=1) == _chaos().result_of(8)
            assert (sup.mach.tick("ErrWorker"), sup.mach.tick("ErrPool")) == (0, 0), sup.mach.err
            assert sup.restarts == 0
            assert client.workers != (first,)


def _preempt_at_work(engine: Preempting, begun: Path) -> None:
    until(begun.exists, 30, "no work was begun")
    engine.preempt()
    engine.make_room()


async def test_the_demo_of_pools_has_the_same_totals(engine: Engine) -> None:
    words = ("-m", "examples.worker_pool", "--plain", "--launcher", engine.name)
    # The demo copies its files to where each host of these engines can read them.
    variables = (f"PYTHONPATH={ROOT}", sys.executable, "-m", "am_node", "worker")
    settings = engine.settings(("env", *variables))
    done = await trio.run_process(
        [sys.executable, *words, "--settings", json.dumps(settings)],
        capture_stdout=True,
        stderr=subprocess.STDOUT,
        check=False,
        cwd=ROOT,
    )
    said = done.stdout.decode()
    assert done.returncode == 0, said
    assert "totals are equal" in said, said


def _chaos() -> ModuleType:
    spec = importlib.util.spec_from_file_location("node_chaos", CHAOS / "__main__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["node_chaos"] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module
