"""Every launcher of the package passes the one suite, with real workers.

So do, in files of their own, those for Slurm, Ray and Kubernetes, on stand-ins for these; and on
the engines themselves: `nox -s engines`.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

pytestmark = pytest.mark.trio

WORKER = (sys.executable, "-m", "am_node", "worker")
# Like ssh: options, `-T`, a host, and a line for the shell there; streams are passed on as is.
SSH = """#!/bin/sh
while case "$1" in -o*) true ;; *) false ;; esac; do shift; done
[ "$1 $2" = "-T --" ] || exit 64
shift
[ "$2" = node1 ] || exit 65
exec /bin/sh -c "$3"
"""


def _ssh(folder: Path) -> am_node.Launcher:
    stub = folder / "ssh"
    stub.write_text(SSH)
    stub.chmod(0o755)
    return am_node.SshLauncher(["node1"], ssh=[str(stub)], command=WORKER)


LAUNCHERS: dict[str, Callable[[Path], am_node.Launcher]] = {
    "local": lambda folder: am_node.LocalLauncher(),
    "memory": lambda folder: am_node.MemoryLauncher(),
    "command": lambda folder: am_node.CommandLauncher(["/usr/bin/env", "A=b"], WORKER),
    "ssh": _ssh,
}


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", LAUNCHERS)
async def test_it_conforms(name: str, check: LauncherCheck, tmp_path: Path) -> None:
    await check(LAUNCHERS[name](tmp_path))


@pytest.mark.parametrize("name", LAUNCHERS)
async def test_it_is_a_launcher_and_says_what_it_can(name: str, tmp_path: Path) -> None:
    launcher = LAUNCHERS[name](tmp_path)
    assert isinstance(launcher, am_node.Launcher)
    can = {"same_host": launcher.same_host, "lifeline": launcher.lifeline}
    assert can == {
        "same_host": name in {"local", "memory"},
        "lifeline": name != "memory",
    }
    assert launcher.output is (name != "memory")


# -- launchers that do not conform


class Hasty(am_node.LocalLauncher):
    """Starts something that is no worker."""

    def __init__(self) -> None:
        super().__init__([sys.executable, "-c", "print('no worker')"])


class Forgetful(am_node.LocalLauncher):
    """Forgets how workers ended."""

    async def run(
        self, spec: am_node.WorkerSpec, task_status: Any = trio.TASK_STATUS_IGNORED
    ) -> am_node.ExitInfo:
        await super().run(spec, task_status)
        return am_node.ExitInfo(code=0)


class Mute(am_node.LocalLauncher):
    """Loses what workers print."""

    async def run(
        self, spec: am_node.WorkerSpec, task_status: Any = trio.TASK_STATUS_IGNORED
    ) -> am_node.ExitInfo:
        return await super().run(replace(spec, on_line=lambda *line: None), task_status)


class Harmless(am_node.LocalLauncher):
    """Cannot kill."""

    async def run(
        self, spec: am_node.WorkerSpec, task_status: Any = trio.TASK_STATUS_IGNORED
    ) -> am_node.ExitInfo:
        return await super().run(spec, _Reporting(task_status))


class _Reporting:
    def __init__(self, task_status: Any) -> None:
        self._task_status = task_status

    def started(self, handle: Any) -> None:
        self._task_status.started(_Blunt(handle))


class _Blunt:
    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self.pid = handle.pid

    def terminate(self) -> None:
        self._handle.terminate()

    def kill(self) -> None:
        pass


class Boastful(am_node.MemoryLauncher):
    """Says that it captures what workers print, and does not."""

    output = True


@pytest.mark.parametrize(
    ("launcher", "check"),
    [
        (Hasty, "check_start_and_report"),
        (Forgetful, "check_exit_code_and_output"),
        (Forgetful, "check_kill"),
        (Mute, "check_exit_code_and_output"),
        (Harmless, "check_kill"),
        (Boastful, "check_exit_code_and_output"),
    ],
)
async def test_one_that_does_not_conform_is_found_out(
    launcher: Callable[[], am_node.Launcher], check: str
) -> None:
    (checking,) = (each for each in LAUNCHER_CHECKS if each.__name__ == check)
    with pytest.raises((AssertionError, ExceptionGroup, trio.TooSlowError)):
        await checking(launcher(), patience=3.0)
