"""Worker processes on this host: what only processes can get wrong."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
import trio

import am_node

pytestmark = pytest.mark.trio


async def _run(code: str, lines: list[tuple[str, str]] | None = None) -> am_node.ExitInfo:
    seen = [] if lines is None else lines
    spec = am_node.WorkerSpec(
        "nw-test", b"x", (sys.executable, "-c", code), on_line=lambda s, t: seen.append((s, t))
    )
    with trio.fail_after(20):
        return await am_node.LocalLauncher().run(spec)


async def test_a_missing_command_is_an_os_error() -> None:
    with pytest.raises(OSError, match="no-such-command"):
        await am_node.LocalLauncher(["/no-such-command"]).run(am_node.WorkerSpec("w", b""))


async def test_a_worker_takes_its_process_group_with_it() -> None:
    lines: list[tuple[str, str]] = []
    code = (
        "import subprocess, sys\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(p.pid, flush=True)\n"
    )
    assert (await _run(code, lines)).ok
    grandchild = int(lines[0][1])
    with trio.fail_after(5):
        while _alive(grandchild):  # noqa: ASYNC110 - nobody tells when it ends
            await trio.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_worker_inherits_no_descriptor_but_its_streams() -> None:
    extra = os.open("/dev/null", os.O_RDONLY)
    os.set_inheritable(extra, True)
    lines: list[tuple[str, str]] = []
    try:
        await _run("import os; print(sorted(map(int, os.listdir('/proc/self/fd'))))", lines)
    finally:
        os.close(extra)
    # One more is the listing's own descriptor.
    assert lines[0][1] == "[0, 1, 2, 3]"


async def test_long_lines_arrive_in_pieces_and_junk_is_replaced() -> None:
    lines: list[tuple[str, str]] = []
    code = "import os; os.write(1, b'a' * 20000 + b'\\n\\xff\\r\\nlast')"
    await _run(code, lines)
    texts = [text for _, text in lines]
    assert "".join(texts[:3]) == "a" * 20000
    assert max(map(len, texts)) == 8192
    assert texts[3:] == ["\ufffd", "last"]


async def test_only_the_end_of_a_long_stderr_is_kept() -> None:
    code = "import sys\nfor i in range(30000): print(i, file=sys.stderr)\nsys.exit(1)"
    info = await _run(code)
    assert info.stderr.endswith("\n29999")
    assert len(info.stderr) <= 64 * 1024


async def test_a_signal_is_told_by_its_name() -> None:
    info = await _run("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    assert info.signal == signal.SIGKILL
    assert str(info) == "ended by SIGKILL"


async def test_a_worker_outlives_idle_threads_of_its_supervisor() -> None:
    """The kernel's parent-death signal fires when the thread that forked ends."""
    code = (
        "import os, sys\n"
        "from am_node._worker.lifeline import die_with_parent\n"
        "die_with_parent(os.getppid())\n"
        "print('armed', flush=True)\n"
        "os.read(0, 10); os.read(0, 10)\n"
    )
    armed = trio.Event()
    results: list[am_node.ExitInfo] = []
    launcher = am_node.LocalLauncher([sys.executable, "-c", code])

    async def run(task_status: trio.TaskStatus[am_node.WorkerHandle]) -> None:
        spec = am_node.WorkerSpec("w", b"x", on_line=lambda s, t: armed.set())
        results.append(await launcher.run(spec, task_status))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            handle: am_node.WorkerHandle = await nursery.start(run)
            await armed.wait()
            thread = threading.Thread(target=lambda: None)
            thread.start()
            thread.join()
            # trio's own pool threads end after ten idle seconds; this one has ended already.
            await trio.to_thread.run_sync(time.sleep, 0.01)
            assert results == []
            handle.terminate()
    assert results[0].signal in {None, signal.SIGTERM}
