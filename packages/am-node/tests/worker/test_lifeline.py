"""A worker process ends with its supervisor, also when its event loop is blocked."""

import os
import subprocess
import sys
import time

import pytest

from am_node._worker.lifeline import EXIT_ORPHANED, lifeline

_CHILD = """
import sys, time
from am_node._worker.lifeline import lifeline
with lifeline(lambda: print('lost', flush=True), grace=float(sys.argv[1])):
    print('armed', flush=True)
    {body}
print('left', flush=True)
"""


def _child(body: str, grace: float) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD.format(body=body), str(grace)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "armed\n"
    return child


def test_a_blocked_process_is_ended_after_the_grace() -> None:
    child = _child("time.sleep(60)", 0.2)
    started = time.monotonic()
    out, _ = child.communicate(timeout=30)
    assert child.returncode == EXIT_ORPHANED
    assert out == "lost\n"
    assert time.monotonic() - started >= 0.2


def test_a_process_that_drains_in_time_ends_its_own_way() -> None:
    child = _child("sys.stdin.buffer.raw.read(0); time.sleep(0.3)", 30)
    out, _ = child.communicate(timeout=30)
    assert child.returncode == 0
    assert out.split() == ["lost", "left"]


def test_a_normal_end_joins_the_thread() -> None:
    read, write = os.pipe()
    lost: list[bool] = []
    with lifeline(lambda: lost.append(True), grace=30, fd=read):
        os.write(write, b"stray bytes are ignored")
    assert lost == []
    os.close(read)
    os.close(write)


_SWITCH = """
import time
from am_node._worker.lifeline import dead_mans_switch
with dead_mans_switch(0.5) as alive:
    for _ in range(8):
        time.sleep(0.1)
        alive()
    print('alive', flush=True)
    {body}
print('left', flush=True)
"""


@pytest.mark.parametrize(
    ("body", "code", "told"),
    [("time.sleep(60)", EXIT_ORPHANED, ["alive"]), ("pass", 0, ["alive", "left"])],
    ids=["silent", "ended"],
)
def test_a_process_that_says_nothing_for_too_long_is_ended(
    body: str, code: int, told: list[str]
) -> None:
    command = [sys.executable, "-c", _SWITCH.format(body=body)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == code
    assert done.stdout.split() == told


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
@pytest.mark.parametrize(
    "busy",
    ["while True: pass", "import ctypes; ctypes.PyDLL(None).sleep(60)"],
    ids=["loop", "C code"],
)
def test_the_kernel_ends_a_worker_whose_supervisor_was_killed(busy: str) -> None:
    """Also while C code holds the interpreter's lock, within a second."""
    child_code = (
        "import os; from am_node._worker.lifeline import die_with_parent\n"
        f"die_with_parent(os.getppid())\nprint('armed', flush=True)\n{busy}\n"
    )
    parent_code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {child_code!r}], stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", parent_code], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    parent.kill()
    killed_at = time.monotonic()
    parent.communicate(timeout=30)
    while os.path.exists(f"/proc/{pid}") and not _is_zombie(pid):
        assert time.monotonic() - killed_at < 1.0
        time.sleep(0.005)


def _is_zombie(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_a_worker_that_is_orphaned_already_ends_at_once() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(timeout=30)
    code = f"from am_node._worker.lifeline import die_with_parent; die_with_parent({gone.pid})"
    done = subprocess.run([sys.executable, "-c", code], timeout=30, capture_output=True)
    assert done.returncode == EXIT_ORPHANED
    assert done.stderr.count(b"\n") == 1
    assert b"is gone" in done.stderr
