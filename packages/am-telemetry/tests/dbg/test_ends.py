"""However a program ends: its exit code is kept, it is over within a second, and never hangs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from am_telemetry.testing import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

PROLOGUE = """
    import os, signal, sys, threading, time
    import am_machine as am
    from am_telemetry import bind_env

    def made(name):
        machine = am.Machine({"A": {}, "B": {}}, id=name)
        bind_env(machine)
        return machine

    def ends():
        print("END", time.monotonic(), flush=True)

    machine = made("m")
    for _ in range(101):
        machine.toggle("A")
"""
# How it ends, and with which code.
ENDS = {
    "returning": ("ends()", 0),
    "sys.exit": ("ends(); sys.exit(3)", 3),
    "an exception": ("ends(); raise ValueError('mine')", 1),
    "SIGTERM": ("ends(); os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -signal.SIGTERM),
    "SIGINT": ("ends(); os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -signal.SIGINT),
    "os._exit": ("ends(); os._exit(7)", 7),
    "SIGKILL": ("ends(); os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    "a daemon thread at work": (
        """
        def work():
            mine = made("daemon")
            while True:
                mine.toggle("A")
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.05)
        ends()
        """,
        0,
    ),
    "an ordinary thread that ends later": (
        """
        def work():
            mine = made("other")
            while threading.main_thread().is_alive():
                time.sleep(0.001)
            mine.toggle("A")
            am.Machine({"A": {}}, id="late", parent=mine).toggle("A")
            made("later").toggle("A")
        threading.Thread(target=work).start()
        ends()
        """,
        0,
    ),
    "a disposed machine": ("machine.dispose(); ends()", 0),
    "an exit handler that mutates": (
        "import atexit; atexit.register(lambda: machine.toggle('A')); ends()",
        0,
    ),
    "trio.run": (
        """
        import trio
        async def main():
            async with machine:
                machine.toggle("B")
                await trio.sleep(0.01)
        trio.run(main)
        ends()
        sys.exit(4)
        """,
        4,
    ),
}
# Those that give Python time for a word.
ORDERLY = ("returning", "sys.exit", "an exception", "SIGINT", "a disposed machine", "trio.run")


def run(end: str, address: str, **env: str) -> tuple[int, float, str]:
    """Exit code, seconds from the word END to the end, what went to stderr."""
    program = textwrap.dedent(PROLOGUE) + textwrap.dedent(end)
    with subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "AM_DBG_ADDR": address, **env},
    ) as process:
        out, err = process.communicate(timeout=60)
        over = time.monotonic()
    began = [line for line in out.splitlines() if line.startswith("END")]
    assert began, err
    return process.returncode, over - float(began[0].split()[1]), err


def limit(seconds: float) -> float:
    """Seconds on a machine that has other things to do as well: the load of the last minute, and as
    much again for what began since."""
    return 2 * seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@contextmanager
def debugging(how: str) -> Iterator[tuple[str, Receiver | None]]:
    """The address of a debugger that is live, absent, or stalled."""
    if how == "live":
        with Receiver() as receiver:
            yield receiver.address, receiver
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        if how == "stalled":
            # The kernel accepts, and nobody says anything.
            yield address, None
            return
    yield address, None


# With a debugger that is there, others are tried as well.
USUAL = ("sys.exit", "an exception", "SIGTERM", "os._exit", "a daemon thread at work")
CASES = [("live", name) for name in ENDS]
CASES += [(how, name) for how in ("absent", "stalled") for name in USUAL]


@pytest.mark.parametrize(("how", "name"), CASES)
def test_the_exit_code_is_kept_and_the_end_comes_within_a_second(how: str, name: str) -> None:
    with debugging(how) as (address, receiver):
        ending(name, address, receiver)


def ending(name: str, address: str, receiver: Receiver | None) -> None:
    end, code = ENDS[name]
    found, took, err = run(end, address)
    assert found == code, err
    # One second for telemetry, and a little for the interpreter itself.
    assert took < limit(1.3)
    assert "am_telemetry" not in err.replace("am_telemetry/_bind", "")
    if receiver is not None and name in ORDERLY:
        seen = receiver.machine("m")
        assert seen.clock[0] == 101
        assert len([tx for tx in seen.txs if tx.called == ("A",)]) == 101


def test_a_debugger_that_stalls_in_the_middle_delays_the_end_by_a_second_at_most() -> None:
    with Receiver() as receiver:
        end = """
        sys.stdin.readline()
        for _ in range(20_000):
            machine.toggle("A", name="x" * 200)
        ends()
        """
        program = textwrap.dedent(PROLOGUE) + textwrap.dedent(end)
        with subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "AM_DBG_ADDR": receiver.address},
        ) as process:
            receiver.wait(lambda r: r.machine("m").txs, 30)
            receiver.stall()
            out, _ = process.communicate("go\n", timeout=60)
            over = time.monotonic()
        assert process.returncode == 0
        assert over - float(out.split()[1]) < limit(1.3)


FORK = """
    machine.toggle("B")
    pid = os.fork()
    if pid == 0:
        machine.toggle("B")
        child = made("child")
        child.toggle("A")
        HOW
    machine.toggle("A")
    _, status = os.waitpid(pid, 0)
    ends()
    sys.exit(os.waitstatus_to_exitcode(status))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("how", ["live", "absent", "stalled"])
@pytest.mark.parametrize(("end", "is_orderly"), [("sys.exit(5)", True), ("os._exit(5)", False)])
def test_a_fork_has_a_stream_of_its_own_and_its_parents_goes_on(
    end: str, is_orderly: bool, how: str
) -> None:
    with debugging(how) as (address, receiver):
        forking(end, is_orderly, address, receiver)


def forking(end: str, is_orderly: bool, address: str, receiver: Receiver | None) -> None:
    code, took, err = run(FORK.replace("HOW", end), address)
    assert code == 5, err
    assert took < limit(1.3)
    if receiver is None:
        return
    assert receiver.errors == []
    parent = receiver.processes[0]
    mine = receiver.machines[parent.id, "m"]
    assert mine.clock[:2] == (102, 1)
    if is_orderly:
        [other] = {p.id for p in receiver.processes} - {parent.id}
        theirs = receiver.machines[other, "m"]
        assert theirs.clock[:2] == (101, 2)
        assert len(theirs.txs) == 1
        assert theirs.process.pid != parent.pid
        assert receiver.machines[other, "child"].clock[0] == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_fork_while_the_hub_is_busy_neither_hangs_nor_repeats() -> None:
    with Receiver() as receiver:
        end = """
        pids = []
        for i in range(8):
            for _ in range(200):
                machine.toggle("A")
            pid = os.fork()
            if pid == 0:
                for _ in range(50):
                    machine.toggle("B")
                sys.exit(0)
            pids.append(pid)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        ends()
        sys.exit(sum(codes))
        """
        code, _, err = run(end, receiver.address)
        assert code == 0, err
        assert receiver.errors == []
        assert len({process.id for process in receiver.processes}) == 9
        # Whoever connects first: the parent is who never toggled B.
        [parent] = [one for one in receiver.machines.values() if one.clock[1] == 0]
        assert parent.clock[0] == 101 + 1600
        forked = [one for key, one in receiver.machines.items() if one is not parent]
        assert all(one.clock[1] == 50 and len(one.txs) == 50 for one in forked)


def test_without_the_switch_nothing_is_started() -> None:
    end = """
    print(len(machine.tracers), threading.active_count(), "am_telemetry._dbg" in sys.modules)
    ends()
    """
    code, _, err = run(end, "")
    assert (code, err) == (0, "")


def test_what_is_no_address_is_one_warning() -> None:
    code, _, err = run("made('n'); made('o'); ends()", "nonsense")
    assert code == 0
    assert err.count("AM_DBG_ADDR") == 1
