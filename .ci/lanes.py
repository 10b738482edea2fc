"""Run commands beside each other, as many as there are lanes, and stop at the first that fails.

What a command prints is shown when it failed, whole; of each one line tells how long it took, and
how much of a processor, which tells more where others are at work. A job may wait for another one,
and jobs that only compute can yield to those that wait for processes and look at the clock.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

_LOOK = 0.2  # seconds between looks at what runs
_GRACE = 20.0  # seconds for a job to end once it was told to
# How much nicer jobs that yield are than others: these come to three times as much of a processor,
# and none is left without for so long that its tests come to their time limits.
_YIELDING = 5


@dataclass(frozen=True)
class Job:
    """A command, by what it is called."""

    name: str
    command: tuple[str, ...]
    after: str = ""
    """The job that has to succeed before."""
    yields: bool = False
    """Leave the processors to the other jobs where there are not enough of them."""


@dataclass
class _Running:
    job: Job
    output: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        # A group of its own: what it started ends with it.
        self.process = subprocess.Popen(
            self.job.command,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        if self.job.yields:
            _yield_to_others(self.process.pid)

    def ended(self) -> int | None:
        """Print how it ended, and all that it printed if it failed; None while it runs."""
        pid, status, usage = os.wait4(self.process.pid, os.WNOHANG)
        if not pid:
            return None
        code = self.process.returncode = os.waitstatus_to_exitcode(status)
        with self.output as output:
            output.seek(0)
            if code:
                sys.stdout.flush()
                sys.stdout.buffer.write(output.read())
        seconds = time.monotonic() - self.began
        work = usage.ru_utime + usage.ru_stime
        outcome = f"failed with code {code}" if code else "passed"
        print(f"{seconds:5.0f} s, {work:4.0f} of work, {self.job.name}: {outcome}", flush=True)
        return code

    def stop(self) -> None:
        """End it and what it started."""
        self.output.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.process.pid, number)
                self.process.wait(_GRACE)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue


def _yield_to_others(leader: int) -> None:
    """Lower the priority of a session of processes, by its first one."""
    nice = os.nice(0) + _YIELDING
    with contextlib.suppress(ProcessLookupError):  # it has ended already
        os.setpriority(os.PRIO_PGRP, leader, nice)
    # Where Linux groups tasks by session, that tells the processes of one session from each other
    # alone: the sessions have a niceness of their own, see sched(7). An older kernel has none.
    with contextlib.suppress(OSError):
        Path(f"/proc/{leader}/autogroup").write_text(str(nice))


def run_jobs(jobs: list[Job], lanes: int, firm: int | None = None) -> bool:
    """Run all, in their order as far as the lanes allow; False if one failed.

    Of those that do not yield no more than `firm` run at a time.
    """
    waiting: list[Job] = [*jobs]
    running: list[_Running] = []
    passed: set[str] = set()
    known = {job.name for job in jobs}
    if lost := [job.name for job in jobs if job.after and job.after not in known]:
        raise ValueError(f"nothing comes before {', '.join(lost)}")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # Started in the background; but there are tests that interrupt themselves.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while waiting or running:
            while len(running) < lanes:
                is_full = firm is not None and firm <= sum(not one.job.yields for one in running)
                job = _next(waiting, passed, only_yielding=is_full)
                if job is None:
                    break
                waiting.remove(job)
                running.append(_Running(job))
                print(f"                     … {job.name}", flush=True)
            if not running:
                raise ValueError(f"{', '.join(job.name for job in waiting)} wait for each other")
            for one in [*running]:
                if (code := one.ended()) is None:
                    continue
                running.remove(one)
                if code:
                    return False
                passed.add(one.job.name)
            time.sleep(_LOOK)  # children end unannounced to who waits for several
    finally:
        for one in running:
            one.stop()
    return True


def _next(waiting: list[Job], passed: set[str], *, only_yielding: bool) -> Job | None:
    """The first job that may begin now."""
    for job in waiting:
        if (not job.after or job.after in passed) and (job.yields or not only_yielding):
            return job
    return None
