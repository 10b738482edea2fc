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
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(threaded=threaded)],
        env={**os.environ, **am_node.boot_environment(config.to_bytes())},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.stdout == "70 True\n", done.stderr
    assert "the bootstrap cannot be reached" in done.stderr


def test_draining_without_a_worker_does_nothing() -> None:
    am_node.drain_worker()
