"""Launchers for other hosts conform, against stand-ins for the programs that they call."""

import base64
import json
import sys
from pathlib import Path

import pytest
import trio

import am_node
from am_node.testing import LAUNCHER_CHECKS, LauncherCheck, Scenario, scenario_command

pytestmark = pytest.mark.trio

# Like ssh: `-T`, a host, and a line for the shell there; streams are passed on as they are.
SSH = """#!/bin/sh
[ "$1" = -T ] || exit 64
[ "$2" = node1 ] || [ "$2" = node2 ] || exit 65
echo "$2" >> "$0.hosts"
exec /bin/sh -c "$3"
"""
# Like srun: options, then a command.
SRUN = """#!/bin/sh
[ "$1" = --ntasks=1 ] || exit 64
shift
exec "$@"
"""


def _program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda c: c.__name__)
async def test_the_ssh_launcher_conforms(check: LauncherCheck, tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", SSH)
    await check(lambda scenario: am_node.SshLauncher(["node1"], ssh=[ssh]))


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda c: c.__name__)
async def test_the_recipe_for_slurm_conforms(check: LauncherCheck, tmp_path: Path) -> None:
    srun = _program(tmp_path, "srun", SRUN)
    await check(lambda scenario: am_node.CommandLauncher([srun, "--ntasks=1"]))


class PodLauncher(am_node.LocalLauncher):
    """The recipe for launchers without stdin: the configuration comes by the environment.

    A cluster would start a pod with this variable from a secret; here a process stands for the pod,
    and its own small supervisor inside hands the configuration on as the scenario wants it.
    """

    lifeline = False

    def command_for(self, spec: am_node.WorkerSpec) -> tuple[str, ...]:
        encoded = base64.b64encode(spec.config).decode()
        inner = json.dumps([sys.executable, *spec.command[1:]])
        return ("/usr/bin/env", f"AM_NODE_BOOT={encoded}", sys.executable, "-c", POD, inner)


POD = """
import base64, json, os, struct, subprocess, sys
data = base64.b64decode(os.environ.pop("AM_NODE_BOOT"))
child = subprocess.Popen(json.loads(sys.argv[1]), stdin=subprocess.PIPE)
child.stdin.write(struct.pack(">I", len(data)) + data)
child.stdin.flush()
import signal
signal.signal(signal.SIGTERM, lambda *_: child.stdin.close())
code = child.wait()
sys.exit(code)
"""


@pytest.mark.parametrize("check", LAUNCHER_CHECKS, ids=lambda c: c.__name__)
async def test_the_recipe_for_pods_conforms(check: LauncherCheck) -> None:
    await check(lambda scenario: PodLauncher())


async def test_hosts_take_turns_and_have_no_more_workers_than_slots(tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", SSH)
    launcher = am_node.SshLauncher(["node1", "node2"], slots=1, ssh=[ssh])
    started: list[am_node.WorkerHandle] = []

    async def run(number: int, task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
        spec = am_node.WorkerSpec(
            f"w{number}", b"the boot configuration", scenario_command(Scenario.SERVE)
        )
        await launcher.run(spec, task_status)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for number in range(2):
                started.append(await nursery.start(run, number))
            with trio.move_on_after(0.3) as waiting:
                await nursery.start(run, 2)
            assert waiting.cancelled_caught
            started[0].terminate()
            started.append(await nursery.start(run, 3))
            for handle in started:
                handle.terminate()
    hosts = Path(ssh + ".hosts").read_text().split()  # noqa: ASYNC240 - one short line
    assert sorted(hosts[:2]) == ["node1", "node2"]


@pytest.mark.parametrize("hosts", [[], "node1", ["-oProxyCommand=evil"], [""]])
async def test_what_is_no_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(ValueError, match="host"):
        am_node.SshLauncher(hosts)


async def test_what_the_remote_shell_sees_is_quoted(tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", SSH)
    lines: list[str] = []
    launcher = am_node.SshLauncher(["node1"], ssh=[ssh])
    command = ("/bin/echo", "$(id)", "a; b", "it's")
    spec = am_node.WorkerSpec("w", b"", command, on_line=lambda s, t: lines.append(t))
    with trio.fail_after(10):
        await launcher.run(spec)
    assert lines == ["$(id) a; b it's"]
