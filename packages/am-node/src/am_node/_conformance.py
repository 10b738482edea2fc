"""The conformance suite of launchers.

A launcher's test makes one for a `Scenario` - what the worker shall do - and runs each check with
it. A launcher of processes runs `scenario_command`; one without processes acts the scenario out.
"""

from __future__ import annotations

import enum
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import trio

from ._launcher import ExitInfo, Launcher, WorkerHandle, WorkerSpec

CONFIG = b"the boot configuration"
_DEADLINE = 10.0


class Scenario(enum.Enum):
    """What the worker does after reading its configuration; each first prints ``up``."""

    SERVE = "wait until the lifeline ends, then exit with 0"
    FAIL = "write 'no luck' to stderr and exit with 3"
    STUBBORN = "ignore the lifeline and SIGTERM"


_PREAMBLE = """
import os, signal, struct, sys, time
size, = struct.unpack('>I', os.read(0, 4))
assert os.read(0, size) == b'the boot configuration'
"""
_IGNORE = "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); "
_SCRIPTS: Mapping[Scenario, str] = {
    Scenario.SERVE: _IGNORE + "os.read(0, 1)",
    Scenario.FAIL: "print('up', flush=True); print('no luck', file=sys.stderr); sys.exit(3)",
    Scenario.STUBBORN: _IGNORE + "time.sleep(60)",
}


def scenario_command(scenario: Scenario) -> tuple[str, ...]:
    """A command that acts out `scenario`, for launchers that start processes."""
    return (sys.executable, "-c", _PREAMBLE + _SCRIPTS[scenario])


LauncherCheck = Callable[[Callable[[Scenario], Launcher]], Awaitable[None]]


class _Run:
    """One worker under test: its handle, the lines it printed, how it ended."""

    def __init__(self, launcher: Launcher, scenario: Scenario) -> None:
        self._launcher = launcher
        self.lines: list[tuple[str, str]] = []
        self.up = trio.Event()
        self.ended = trio.Event()
        self.exit: ExitInfo | None = None
        self.spec = WorkerSpec(
            "nw-check", CONFIG, command=scenario_command(scenario), on_line=self._line
        )

    def _line(self, stream: str, text: str) -> None:
        self.lines.append((stream, text))
        if text == "up":
            self.up.set()

    async def run(self, task_status: Any = trio.TASK_STATUS_IGNORED) -> None:
        try:
            self.exit = await self._launcher.run(self.spec, task_status)
        finally:
            self.ended.set()


async def check_start_and_report(make: Callable[[Scenario], Launcher]) -> None:
    """The handle is reported, the worker gets its configuration, and what it prints arrives."""
    run = _Run(make(Scenario.SERVE), Scenario.SERVE)
    with trio.fail_after(_DEADLINE):
        async with trio.open_nursery() as nursery:
            handle: WorkerHandle = await nursery.start(run.run)
            await run.up.wait()
            assert ("stdout", "up") in run.lines
            handle.terminate()


async def check_exit_code_and_stderr(make: Callable[[Scenario], Launcher]) -> None:
    """The exit code and the tail of stderr are told."""
    run = _Run(make(Scenario.FAIL), Scenario.FAIL)
    with trio.fail_after(_DEADLINE):
        await run.run()
    assert run.exit is not None
    assert run.exit.code == 3
    assert not run.exit.ok
    assert "no luck" in run.exit.stderr


async def check_end_of_lifeline(make: Callable[[Scenario], Launcher]) -> None:
    """Terminating closes the lifeline, at which a good worker ends by itself with 0."""
    run = _Run(make(Scenario.SERVE), Scenario.SERVE)
    with trio.fail_after(_DEADLINE):
        async with trio.open_nursery() as nursery:
            handle: WorkerHandle = await nursery.start(run.run)
            await run.up.wait()
            handle.terminate()
    assert run.exit is not None
    assert run.exit.ok, run.exit


async def check_kill(make: Callable[[Scenario], Launcher]) -> None:
    """A worker that ignores everything is killed, which is told; the handle stays harmless after
    that.
    """
    run = _Run(make(Scenario.STUBBORN), Scenario.STUBBORN)
    with trio.fail_after(_DEADLINE):
        async with trio.open_nursery() as nursery:
            handle: WorkerHandle = await nursery.start(run.run)
            await run.up.wait()
            handle.terminate()
            handle.kill()
    assert run.exit is not None
    assert not run.exit.ok
    handle.kill()
    handle.terminate()


async def check_cancel(make: Callable[[Scenario], Launcher]) -> None:
    """Cancelling ``run`` kills the worker and returns only when it is gone."""
    run = _Run(make(Scenario.STUBBORN), Scenario.STUBBORN)
    with trio.fail_after(_DEADLINE):
        async with trio.open_nursery() as nursery:
            await nursery.start(run.run)
            await run.up.wait()
            nursery.cancel_scope.cancel()
    assert run.ended.is_set()
    assert run.exit is None


LAUNCHER_CHECKS: tuple[LauncherCheck, ...] = (
    check_start_and_report,
    check_exit_code_and_stderr,
    check_end_of_lifeline,
    check_kill,
    check_cancel,
)
