"""However a program ends: its exit code is kept, it is over as soon as it would be without a
debugger and a second more at most, and never hangs."""

from __future__ import annotations

import os
import signal
import socket
import textwrap
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from am_telemetry.testing import Receiver

from ..ends import Ended, Run, assert_delayed_little, three_tries

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
    "SIGINT": (
        """
        # Who starts the tests may have it ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ends()
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        """,
        -signal.SIGINT,
    ),
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


def begin(end: str, address: str) -> Run:
    """A program that ends in this way, beside a debugger there; beside none if that is empty."""
    program = textwrap.dedent(PROLOGUE) + textwrap.dedent(end)
    return Run(program, env={**os.environ, "AM_DBG_ADDR": address})


def run(end: str, address: str) -> Ended:
    return begin(end, address).end()


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


@pytest.mark.parametrize("name", ENDS)
@three_tries
def test_the_exit_code_is_kept_and_the_end_is_a_second_late_at_most(name: str) -> None:
    end, code = ENDS[name]
    ways = ("live", "absent", "stalled") if name in USUAL else ("live",)
    with ExitStack() as stack:
        debuggers = [stack.enter_context(debugging(how)) for how in ways]
        # Beside each other, so that the machine is as busy for each of them.
        runs = [begin(end, address) for address, _ in debuggers]
        for run in runs:
            stack.callback(run.close)
        plain = begin(end, "").end()
        assert plain.code == code, plain.err
        for (_, receiver), run in zip(debuggers, runs, strict=True):
            check(run.end(), plain, receiver if name in ORDERLY else None)


def check(ended: Ended, plain: Ended, receiver: Receiver | None) -> None:
    assert_delayed_little(ended, plain)
    assert "am_telemetry" not in ended.err.replace("am_telemetry/_bind", "")
    if receiver is not None:
        seen = receiver.machine("m")
        assert seen.clock[0] == 101
        assert len([tx for tx in seen.txs if tx.called == ("A",)]) == 101


@three_tries
def test_a_debugger_that_stalls_in_the_middle_delays_the_end_by_a_second_at_most() -> None:
    end = """
    sys.stdin.readline()
    for _ in range(20_000):
        machine.toggle("A", name="x" * 200)
    ends()
    """
    with Receiver() as receiver:
        stalled, plain = begin(end, receiver.address), begin(end, "")
        receiver.wait(lambda r: r.machine("m").txs, 30)
        receiver.stall()
        for run in (stalled, plain):
            run.tell("go\n")
        ended = stalled.end()
        assert ended.code == 0, ended.err
        assert_delayed_little(ended, plain.end())


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
@three_tries
def test_a_fork_has_a_stream_of_its_own_and_its_parents_goes_on(
    end: str, is_orderly: bool, how: str
) -> None:
    program = FORK.replace("HOW", end)
    with debugging(how) as (address, receiver):
        forking, plain = begin(program, address), begin(program, "").end()
        ended = forking.end()
        assert ended.code == 5, ended.err
        assert_delayed_little(ended, plain)
        if receiver is not None:
            check_forked(receiver, is_orderly)


def check_forked(receiver: Receiver, is_orderly: bool) -> None:
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
        ended = run(end, receiver.address)
        assert ended.code == 0, ended.err
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
    ended = run(end, "")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("0 1 False\n")


def test_what_is_no_address_is_one_warning() -> None:
    ended = run("made('n'); made('o'); ends()", "nonsense")
    assert ended.code == 0
    assert ended.err.count("AM_DBG_ADDR") == 1
