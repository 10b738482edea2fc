"""What programs that work starts inherit from a worker's process: nothing that harms them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trio

WORKERS = """
import signal, subprocess, sys
import am_node

ASK = (
    "import os, signal, sys; print(repr(sys.stdin.read()), "
    "signal.getsignal(signal.SIGINT) is signal.default_int_handler, "
    "signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL, "
    "sorted(int(fd) for fd in os.listdir('/proc/self/fd')) == [0, 1, 2, 3])"
)

class Starter(am_node.Worker):
    def work(self, how):
        if how == "input":
            try:
                return input()
            except EOFError:
                return "end"
        if how == "trio":
            return sys.modules["trio"].__file__
        return subprocess.run(
            [sys.executable, "-c", ASK], stdout=subprocess.PIPE, text=True, timeout=30
        ).stdout.strip()
"""


async def test_nothing_of_a_worker_harms_what_its_work_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "starting_work.py").write_text(WORKERS)
    (tmp_path / "trio.py").write_text("raise SystemExit('this is no trio')")
    monkeypatch.chdir(tmp_path)
    entry = f"{tmp_path / 'starting_work.py'}:Starter"
    pool = am_node.Pool(min=1, max=1, warm=0)
    timing = am_node.Timing(conn_timeout=30.0)
    with trio.fail_after(60):
        async with (
            am_node.Supervisor(entry, pool=pool, timing=timing) as sup,
            am_node.Client("c", supers=[sup.addr]) as client,
        ):
            assert await client.work(how="input") == "end"
            assert await client.work(how="start") == "'' True True True"
            assert await client.work(how="trio") == trio.__file__
            assert sup.mach.tick("ErrWorker") == 0
