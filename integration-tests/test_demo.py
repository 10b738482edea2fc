"""The demo leaves nothing behind when it is interrupted, at any moment.

That it succeeds is shown by the tests of the example; with two supervisors and TLS, where all its
machines are looked at: `test_telemetry_examples`."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

pytestmark = pytest.mark.process


@pytest.mark.parametrize("moment", ["at once", "Ready", "tasks done"])
def test_ctrl_c_leaves_no_process_and_no_socket(root: Path, moment: str) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "examples.worker_pool", "--plain"],
        cwd=root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert demo.stdout is not None
    # Whatever goes wrong, the test ends.
    watchdog = threading.Timer(30, demo.kill)
    watchdog.start()
    lines = []
    try:
        if moment == "at once":
            while not _has_supervisor(demo.pid):
                assert demo.poll() is None
                threading.Event().wait(0.01)
        else:
            for line in demo.stdout:
                lines.append(line)
                if moment in line:
                    break
        demo.send_signal(signal.SIGINT)
        lines += demo.stdout
        assert demo.wait(timeout=20) == 130, "".join(lines)
    finally:
        watchdog.cancel()
        demo.stdout.close()
    assert "interrupted; nothing is left\n" in lines


def _has_supervisor(pid: int) -> bool:
    # A child belongs to the thread that forked it, which need not be the main one.
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # the thread has ended
            continue
        for child in children:
            try:
                command = Path(f"/proc/{child}/cmdline").read_bytes()
            except OSError:  # it was somebody short-lived
                continue
            if b"supervisor" in command:
                return True
    return False
