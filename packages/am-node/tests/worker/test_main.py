"""A program that is a worker for a while gets its signals and its threads back."""

import os
import subprocess
import sys

import pytest

import am_node
from am_node._boot import BootConfig

PROGRAM = """
import signal, sys, threading
import am_node

class Idle(am_node.Worker):
    pass

def leave(code):
    print(code, signal.getsignal(signal.SIGTERM) is before, flush=True)
    sys.exit(0)

before = signal.getsignal(signal.SIGTERM)
if {threaded}:
    thread = threading.Thread(target=am_node.run_worker, args=(Idle, leave))
    thread.start()
    thread.join()
else:
    am_node.run_worker(Idle, leave)
"""


@pytest.mark.parametrize("threaded", [False, True], ids=["main thread", "another thread"])
def test_a_program_goes_on_after_its_worker_as_before(threaded: bool) -> None:
    done = run(PROGRAM.format(threaded=threaded))
    assert done.stdout == "70 True\n", done.stderr
    assert "the bootstrap cannot be reached" in done.stderr


LAST_WORDS = """
import atexit, sys, threading
import am_node

class Idle(am_node.Worker):
    pass

def report():
    threading.main_thread().join()
    print("reported", flush=True)

def stray():
    threading.Event().wait()

threading.Thread(target={thread}).start()
atexit.register(print, "at exit", flush=True)
am_node.run_worker(Idle)
"""


def test_a_workers_process_lets_threads_that_end_with_it_have_their_last_word() -> None:
    done = run(LAST_WORDS.format(thread="report"))
    assert done.returncode == 70
    assert done.stdout == "reported\nat exit\n"


def test_a_workers_process_ends_whatever_threads_are_left() -> None:
    done = run(LAST_WORDS.format(thread="stray"))
    assert (done.returncode, done.stdout) == (70, "")


def run(program: str) -> subprocess.CompletedProcess[str]:
    """Run a worker that cannot come up."""
    config = BootConfig(
        bootstrap="unix:/nowhere/at/all",
        token=b"t" * 32,
        kind="Idle",
        entry="unused:Idle",
        worker_id="nw-Idle-1",
        super_id="rc-1",
        link_token=b"l" * 32,
        local_addr="127.0.0.1:0",
        public_addr="127.0.0.1:0",
        lifeline=False,
        timing={"conn_timeout": 0.1},
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **am_node.boot_environment(config.to_bytes())},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_draining_without_a_worker_does_nothing() -> None:
    am_node.drain_worker()
