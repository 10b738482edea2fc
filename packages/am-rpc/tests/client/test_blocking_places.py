"""`blocking` where it cannot work: it ends, or says what to use."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc

_SILENT = """
import os, signal, socket, threading, time
import am_rpc
signal.signal(signal.SIGINT, signal.default_int_handler)
listener = socket.create_server(("127.0.0.1", 0))
addr = f"127.0.0.1:{listener.getsockname()[1]}"
if %d:
    def interrupt():
        listener.accept()
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread(target=interrupt).start()
else:
    start = threading.Thread.start
    def interrupted(thread):
        start(thread)
        os.kill(os.getpid(), signal.SIGINT)
    threading.Thread.start = interrupted
try:
    with am_rpc.blocking(addr, timeout=600):
        pass
except KeyboardInterrupt:
    print("interrupted", threading.active_count() < 4)
"""

_FORKED = """
import os, sys, warnings
import am_machine as am, am_rpc
warnings.simplefilter("ignore", DeprecationWarning)
with am_rpc.blocking(sys.argv[1]) as machine:
    child = os.fork()
    if not child:
        try:
            machine.add("A")
        except RuntimeError as error:
            print(error, flush=True)
    else:
        os.waitpid(child, 0)
        print(machine.add("A") is am.EXECUTED, flush=True)
print("over", flush=True)
"""


@pytest.mark.process
@pytest.mark.parametrize("is_connecting", [0, 1])
def test_an_interrupt_while_it_connects_ends_the_process(is_connecting: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _SILENT % is_connecting],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == "interrupted True\n", done.stderr


@pytest.mark.process
@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
@pytest.mark.trio
async def test_a_forked_child_is_told_and_its_parent_goes_on() -> None:
    async with am.Machine({"A": {}}) as source, am_rpc.Mux(source, "127.0.0.1:0") as mux:
        with trio.fail_after(60):
            done = await trio.run_process(
                [sys.executable, "-c", _FORKED, mux.addr], capture_stdout=True
            )
    told = done.stdout.decode().splitlines()
    assert len(told) == 4
    assert "forked process" in told[0]
    assert told[1:] == ["over", "True", "over"]


def test_it_is_entered_once() -> None:
    one: Any = am_rpc.blocking("127.0.0.1:1", timeout=0.01)
    with pytest.raises(am_rpc.NetworkError):
        one.__enter__()
    with pytest.raises(RuntimeError, match="once"):
        one.__enter__()
