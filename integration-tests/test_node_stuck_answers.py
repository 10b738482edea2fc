"""Work that stops its process, holds its interpreter or cuts it off: its caller is told in time.

What work returns or raises within a process that goes on is the subject of am-node's own
`test_every_answer`.
"""

from __future__ import annotations

import random
import sys
import textwrap
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_node

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow, pytest.mark.trio]

WORKERS_TEXT = textwrap.dedent("""\
    import ctypes, os, signal, subprocess, time
    import am_node
    import trio

    def harm(how: str, seconds: float) -> str:
        if how == "stops for ever":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif how == "stops":
            resume = f"sleep {seconds}; kill -CONT {os.getpid()}"
            with subprocess.Popen(["/bin/sh", "-c", resume], start_new_session=True):
                os.kill(os.getpid(), signal.SIGSTOP)
        elif how == "holds":
            # A signal would end the pause.
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
            ctypes.PyDLL(None).usleep(int(seconds * 1e6))
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
        elif how == "is cut off":
            for fd in map(int, os.listdir("/proc/self/fd")):
                try:
                    if os.readlink(f"/proc/self/fd/{fd}").startswith("socket:"):
                        os.close(fd)
                except OSError:
                    pass
            time.sleep(seconds)
        return how

    class Inline(am_node.Worker):
        thread = False

        def work(self, how: str, pause: float, seconds: float) -> str:
            time.sleep(pause)
            return harm(how, seconds)

    class Threaded(Inline):
        thread = True

    class Coroutine(am_node.Worker):
        async def work(self, how: str, pause: float, seconds: float) -> str:
            await trio.sleep(pause)
            return harm(how, seconds)

    class Queued(Coroutine):
        queue = 4
    """)
FORMS = ("Inline", "Threaded", "Coroutine", "Queued")
# What work does to its process and for how long, and whether that is survived.
SHORT, LONG = 3.0, 60.0
KINDS = (
    ("stops", SHORT, True),
    ("holds", SHORT, True),
    ("stops for ever", LONG, False),
    ("holds", LONG, False),
    ("is cut off", LONG, False),
)
# Seconds after which a caller is told at the latest; links fall silent for nine before they end.
TOLD_WITHIN = 12.0
PATIENT = am_node.Timing(conn_timeout=30.0)


@dataclass(frozen=True)
class Case:
    """One request: what it does, for how long, and what becomes of it."""

    how: str
    pause: float
    seconds: float
    survives: bool

    async def ask(self, client: am_node.Client) -> None:
        """Ask for it, and check that the answer comes in time and tells the truth."""
        args: dict[str, Any] = {"how": self.how, "pause": self.pause, "seconds": self.seconds}
        began = time.monotonic()
        try:
            result = await client.work(**args, attempts=1)
        except am_node.WorkerLost:
            assert not self.survives, self
        else:
            assert self.survives, self
            assert result == self.how
        took = time.monotonic() - began
        assert took <= self.pause + TOLD_WITHIN, f"{self} took {took:.1f} s"


def _cases(seed: int) -> list[Case]:
    rng = random.Random(seed)
    cases = [Case(how, rng.uniform(0.0, 0.5), seconds, ok) for how, seconds, ok in KINDS]
    rng.shuffle(cases)
    return cases


async def _all_of(form: str, folder: Path, cases: list[Case]) -> None:
    entry = f"{folder / 'stuck_work.py'}:{form}"
    pool = am_node.Pool(len(cases), len(cases), 0)
    calm: dict[str, Any] = {"how": "is well", "pause": 0.0, "seconds": 0.0}

    async def one(number: int, case: Case, sup: am_node.Supervisor) -> None:
        name = f"{form}-{number}"
        async with am_node.Client(name, supers=[sup.addr], keep=True) as client:
            assert await client.work(**calm) == "is well"
            (before,) = client.workers
            await case.ask(client)
            # Whoever serves now, the old one or its replacement, serves.
            assert await client.work(**calm) == "is well"
            assert (client.workers == (before,)) is case.survives, case

    async with am_node.Supervisor(entry, pool=pool, timing=PATIENT) as sup:
        await sup.mach.when("PoolReady")
        async with trio.open_nursery() as nursery:
            for number, case in enumerate(cases):
                nursery.start_soon(one, number, case, sup)


@pytest.mark.skipif(sys.platform != "linux", reason="closes what /proc lists")
async def test_every_caller_is_told_whatever_work_does_to_its_process(tmp_path: Path) -> None:
    (tmp_path / "stuck_work.py").write_text(WORKERS_TEXT)
    with trio.fail_after(95):
        async with trio.open_nursery() as nursery:
            for seed, form in enumerate(FORMS):
                nursery.start_soon(_all_of, form, tmp_path, _cases(seed))
