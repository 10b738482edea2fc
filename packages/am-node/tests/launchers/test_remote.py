"""What only launchers for other hosts do, against a stand-in for ssh."""

import sys
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio

# Like ssh: `-T`, a host, and a line for the shell there; streams are passed on as they are.
SSH = """#!/bin/sh
[ "$1 $2" = "-T --" ] || exit 64
shift
[ "$2" = node1 ] || [ "$2" = node2 ] || exit 65
echo "$2" >> "$0.hosts"
exec /bin/sh -c "$3"
"""


def _program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


async def test_hosts_take_turns_and_have_no_more_workers_than_slots(tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", SSH)
    launcher = am_node.SshLauncher(["node1", "node2"], slots=1, ssh=[ssh])
    started: list[am_node.WorkerHandle] = []

    async def run(number: int, task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
        until_eof = (sys.executable, "-c", "import sys; sys.stdin.read()")
        spec = am_node.WorkerSpec(f"w{number}", b"x", until_eof)
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
