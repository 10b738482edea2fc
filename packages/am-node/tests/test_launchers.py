"""Every launcher of the package passes the one suite, with real workers.

The recipes for Slurm, Kubernetes and Ray pass it, too: see examples/launchers.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck

pytestmark = pytest.mark.trio

WORKER = (sys.executable, "-m", "am_node", "worker")
# Like ssh: `-T`, a host, and a line for the shell there; streams are passed on as they are.
SSH = """#!/bin/sh
[ "$1" = -T ] || exit 64
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
