"""What only launchers for other hosts do, against a stand-in for ssh."""

import os
import sys
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio

# Like ssh: options, `-T`, a host, and a line for the shell there; streams are passed on as is.
SSH = """#!/bin/sh
while case "$1" in -o*) true ;; *) false ;; esac; do shift; done
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


async def test_killing_a_worker_ends_it_where_it_runs_and_not_only_the_connection(
    tmp_path: Path,
) -> None:
    # A host on which what runs outlives its connection.
    script = SSH.replace('exec /bin/sh -c "$3"', 'setsid /bin/sh -c "$3" & wait $!')
    ssh = _program(tmp_path, "ssh", script)
    told = tmp_path / "pid"
    deaf = f"import os, time; open({str(told)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    spec = am_node.WorkerSpec("w", b"", (sys.executable, "-c", deaf))
    launcher = am_node.SshLauncher(["node1"], ssh=[ssh])
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(launcher.run, spec)
            await handle.placed()
            while not told.exists() or not told.read_text():  # noqa: ASYNC110 - a file
                await trio.sleep(0.02)
            handle.kill()
    with pytest.raises(ProcessLookupError):
        os.kill(int(told.read_text()), 0)


async def test_a_worker_waits_until_its_connection_stands(tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", SSH.replace("exec /bin/sh", 'cat > "$0.in"; exec /bin/sh'))
    launcher = am_node.SshLauncher(["node1"], ssh=[ssh])
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            handle = await nursery.start(launcher.run, am_node.WorkerSpec("w", b"", ("true",)))
            assert isinstance(handle, am_node.QueuedHandle)
            assert handle.pending
            handle.terminate()
            await handle.placed()
            assert not handle.pending


async def test_what_ssh_itself_fails_of_is_no_exit_code_of_the_worker(tmp_path: Path) -> None:
    ssh = _program(tmp_path, "ssh", "#!/bin/sh\necho Connection refused >&2; exit 255\n")
    info = await am_node.SshLauncher(["node1"], ssh=[ssh]).run(am_node.WorkerSpec("w", b""))
    assert "by ssh on node1" in info.reason
    assert "Connection refused" in info.stderr
