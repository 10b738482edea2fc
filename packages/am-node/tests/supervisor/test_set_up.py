"""What keeps workers from being started at all: one line with the reason, and the states say so."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node._boot import BootConfig, module_path

pytestmark = pytest.mark.trio
# A busy machine starts workers slowly; that is not what is tested here.
PATIENT = am_node.Timing(conn_timeout=30.0)
INTERPRETER = (sys.executable, "-P", "-m", "am_node", "worker")


class Echo(am_node.Worker):
    async def work(self, x: int) -> int:
        return x


class Refusing(am_node.MemoryLauncher):
    """A launcher that starts nothing."""

    async def run(self, *args: Any, **options: Any) -> am_node.ExitInfo:
        raise RuntimeError("no room in the inn")


class Late(am_node.MemoryLauncher):
    """A launcher on a host that is so busy that eight seconds pass before anything runs."""

    class Handle:
        pid = None

        def __init__(self) -> None:
            self.scope = trio.CancelScope()

        def terminate(self) -> None:
            self.scope.cancel()

        kill = terminate

    async def run(
        self, spec: am_node.WorkerSpec, task_status: Any = trio.TASK_STATUS_IGNORED
    ) -> am_node.ExitInfo:
        handle = self.Handle()
        task_status.started(handle)
        with handle.scope:
            await trio.sleep(8)
            return await super().run(spec)
        return am_node.ExitInfo(signal=int(signal.SIGKILL))


async def _first_error(sup: am_node.Supervisor) -> str:
    with trio.fail_after(6):
        await sup.mach.when_ticks("ErrWorker", 2)
    return str(sup.mach.err)


async def test_a_launcher_that_fails_is_told_and_tried_ever_more_seldom(
    clock: trio.abc.Clock,
) -> None:
    async with am_node.Supervisor(Echo, launcher=Refusing(Echo)) as sup:
        assert "cannot be started: RuntimeError: no room in the inn" in await _first_error(sup)
        await sup.mach.when("CrashLoop")
        await trio.sleep(60)
        assert sup.mach.tick("ErrPool") > 0
        assert sup.forks < 30


async def test_a_host_too_busy_for_the_time_of_a_start_gets_a_pool_all_the_same(
    clock: trio.abc.Clock,
) -> None:
    pool = am_node.Pool(2, 2, 0)
    async with am_node.Supervisor(Echo, launcher=Late(Echo), pool=pool) as sup:
        assert "no report within 5 s" in await _first_error(sup)
        with trio.fail_after(40):
            await sup.mach.when("PoolReady")
        # Those of the first five seconds, and no more, were given up.
        assert sup.forks <= 2 * 2


async def test_a_search_path_too_long_for_a_worker_is_one_line_each(
    monkeypatch: pytest.MonkeyPatch, clock: trio.abc.Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "am_node")
    monkeypatch.setattr(sys, "path", [*sys.path, *(f"/{n}{'x' * 90}" for n in range(800))])
    async with am_node.Supervisor(Echo, launcher=am_node.MemoryLauncher(Echo)) as sup:
        assert "over 64 KiB" in (told := await _first_error(sup))
        assert "entries of sys.path" in told
    assert not [record for record in caplog.records if record.exc_info]


async def test_any_entry_of_the_search_path_reaches_the_worker_if_it_can_be_one(
    monkeypatch: pytest.MonkeyPatch, pooled: Any, clock: trio.abc.Clock
) -> None:
    odd = [Path("/a/path"), "/not\udcffutf8", b"/bytes", None, 7, "/a/path", ""]
    monkeypatch.setattr(sys, "path", [*sys.path, *odd])
    found = module_path(sys.path)
    expected = ("/a/path", "/not\udcffutf8", "/bytes", str(Path.cwd()))
    assert set(expected) <= set(found)
    assert len(found) == len(set(found))
    async with pooled(Echo) as sup:
        assert len(await sup.workers()) == 1
        (host,) = sup.launcher.hosts.values()
        sent = BootConfig.from_bytes(host._config.to_bytes())
    assert sent.path == host._config.path
    assert "/not\udcffutf8" in sent.path


async def test_a_runtime_directory_that_is_gone_is_made_again(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with pooled(Echo, 1, 2) as sup:
        before = sup._shared.directory.path
        shutil.rmtree(before)
        sup.set_pool(am_node.Pool(2, 2, 0))
        with trio.fail_after(10):
            while len([w for w in await sup.workers() if "Ready" in w.states]) < 2:
                await sup.mach.when_ticks("Heartbeat", 1)
        after = sup._shared.directory.path
        assert after != before
        assert after.is_dir()
    assert not after.exists()


class Failing(Echo):
    async def StartState(self, e: Any) -> None:
        raise ValueError("a start of my own")


async def test_an_error_before_the_private_link_is_told_once_that_is_up(
    pooled: Any, clock: trio.abc.Clock
) -> None:
    async with am_node.Supervisor(
        Failing, pool=am_node.Pool(1, 1, 0), launcher=am_node.MemoryLauncher(Failing)
    ) as sup:
        assert "ValueError: a start of my own" in await _first_error(sup)


@pytest.mark.parametrize("wrong", ["ready", ["ready"], 7])
async def test_a_filter_that_is_no_function_is_a_type_error(
    pooled: Any, clock: trio.abc.Clock, wrong: Any
) -> None:
    async with pooled(Echo) as sup:
        with pytest.raises(TypeError, match="WorkerInfo"):
            await sup.workers(wrong)
        with pytest.raises(ZeroDivisionError):
            await sup.workers(lambda info: 1 / 0)  # type: ignore[arg-type, return-value]
        assert len(await sup.workers(lambda info: "Ready" in info.states)) == 1


# -- processes


WORKER = "import am_node\nclass W(am_node.Worker):\n    def work(self, x): return x\n"


@pytest.mark.parametrize("code", ["import no_such_module", "class V: pass", "class W: pass"])
async def test_a_class_that_no_worker_can_import_ends_the_supervisor(
    tmp_path: Path, code: str
) -> None:
    (tmp_path / "entry.py").write_text(code)
    entry = f"{tmp_path / 'entry.py'}:W"
    sup = am_node.Supervisor(entry, pool=am_node.Pool(2, 2, 0), timing=PATIENT)
    with trio.fail_after(40), pytest.raises(am_node.EntryPointError, match=r"entry\.py"):
        async with sup:
            await trio.sleep_forever()
    assert sup.exit_code == 70
    assert sup.restarts == 1


async def test_a_class_that_came_up_once_is_tried_again_however_it_fails_later(
    tmp_path: Path,
) -> None:
    entry = tmp_path / "entry.py"
    entry.write_text(WORKER)
    async with am_node.Supervisor(f"{entry}:W", pool=am_node.Pool(1, 2, 0), timing=PATIENT) as sup:
        with trio.fail_after(60):
            await sup.mach.when("PoolReady")
            entry.write_text("raise ImportError('half way through an upgrade')")
            sup.set_pool(am_node.Pool(2, 2, 0))
            await sup.mach.when_ticks("ErrWorker", 2)
            assert "half way through" in str(sup.mach.err)
            entry.write_text(WORKER)
            while len([w for w in await sup.workers() if "Ready" in w.states]) < 2:
                await sup.mach.when_ticks("Heartbeat", 1)


@pytest.mark.skipif(shutil.which("timeout") is None, reason="needs coreutils")
@pytest.mark.parametrize("wrap", [("timeout", "100"), ("sh", "-c", '"$@"; exit $?', "sh")])
async def test_a_command_that_wraps_python_starts_workers_that_end_with_their_pool(
    tmp_path: Path, wrap: tuple[str, ...]
) -> None:
    (tmp_path / "entry.py").write_text(WORKER)
    entry = f"{tmp_path / 'entry.py'}:W"
    launcher = am_node.LocalLauncher((*wrap, *INTERPRETER))
    with trio.fail_after(30):
        async with (
            am_node.Supervisor(
                entry, pool=am_node.Pool(1, 1, 0), launcher=launcher, timing=PATIENT
            ) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            assert await client.work(x=3) == 3
            await sup.drain()
            assert sup.restarts == 0


async def test_a_child_whose_end_the_system_forgets_did_not_end_well() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    try:
        spec = am_node.WorkerSpec("nw-test", b"x", (sys.executable, "-c", "pass"))
        with trio.fail_after(20):
            info = await am_node.LocalLauncher().run(spec)
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not info.ok
    assert (info.code, info.signal) == (None, None)
    assert "SIGCHLD" in str(info)


async def test_a_child_that_cannot_be_followed_is_not_left_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none_left(pid: int, flags: int = 0) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "pidfd_open", none_left)
    spec = am_node.WorkerSpec("nw", b"x", (sys.executable, "-c", "import time; time.sleep(60)"))
    with pytest.raises(OSError, match="Too many"):
        await am_node.LocalLauncher().run(spec)
