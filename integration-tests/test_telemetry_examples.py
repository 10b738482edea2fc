"""`AM_DBG_ADDR=1` alone shows every machine of the examples, and of a pool of workers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from am_telemetry.testing import Receiver

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
# Runs an example as `python -m` does, and tells its machines: id, tags, clock.
RUN = """
    import json, runpy, sys
    import am_machine.testing
    with am_machine.testing.created() as made:
        try:
            runpy.run_module(f"examples.{sys.argv.pop(1)}", run_name="__main__", alter_sys=True)
        except SystemExit as exc:
            assert not exc.code, exc.code
    told = [(m.id, list(m.tags), list(m.time())) for m in made]
    print("MACHINES", json.dumps(told), file=sys.stderr)
"""


def names() -> list[str]:
    """Examples on helpers or above that are one program which ends by itself."""
    found = []
    for path in sorted((ROOT / "examples").glob("*/main.py")):
        used = re.findall(r"^import (am_\w+)", path.read_text(), flags=re.MULTILINE)
        programs = {p.stem for p in path.parent.glob("*.py") if not p.name.startswith("test_")}
        if set(used) - {"am_machine"} and programs == {"__init__", "__main__", "main"}:
            found.append(path.parent.name)
    return found


@pytest.fixture
def debugger(tmp_path: Path) -> Iterator[tuple[Receiver, dict[str, str]]]:
    """The user's own debugger, and the environment in which it is found."""
    folder = tmp_path / "asyncmachine"
    folder.mkdir(mode=0o700)
    env = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "AM_DBG_ADDR": "1"}
    with Receiver(f"unix:{folder / 'dbg.sock'}") as receiver:
        yield receiver, env


def _for_users(told: list[Any]) -> list[Any]:
    """All but the machines for inner use, and what mirrors one of those."""
    inner = {machine_id for machine_id, tags, _ in told if "am:inner" in tags}
    hidden = {"am:inner", *(f"src-id:{machine_id}" for machine_id in inner)}
    return [one for one in told if hidden.isdisjoint(one[1])]


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_every_machine_of_an_example_is_seen(
    name: str, debugger: tuple[Receiver, dict[str, str]]
) -> None:
    receiver, env = debugger
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RUN), name],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [told] = re.findall(r"^MACHINES (.*)$", done.stderr, flags=re.MULTILINE)
    # Where an id was used again, the last one is what a debugger shows.
    made: dict[str, Any] = {one[0]: one for one in _for_users(json.loads(told))}
    assert made
    for machine_id, tags, clock in made.values():
        seen = receiver.machine(machine_id)
        assert list(seen.tags) == tags
        assert list(seen.clock) == clock
    assert receiver.errors == []
    seen_all = [receiver.machine(machine_id) for machine_id in made]
    # Those that it had at its transitions: at the end there may be none any more.
    assert any(tx.handlers for machine in seen_all for tx in machine.txs)
    assert any(tx.steps for machine in seen_all for tx in machine.txs)


REPLICA = "rnm-"  # how ids of replicas begin
# Examples of several programs, or of several files: which machines each shows, how many processes
# have some.
PROGRAMS = {
    "arpc": ({"squares", "consumer", REPLICA}, 3),
    "cli_daemon": ({"daemon"}, 1),
    "mach_template 360 97": ({"service"}, 1),
    "tree_state_source": ({"board", REPLICA}, 7),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_machines_and_replicas_of_several_programs_are_seen(
    name: str, debugger: tuple[Receiver, dict[str, str]]
) -> None:
    receiver, env = debugger
    done = subprocess.run(
        [sys.executable, "-m", *f"examples.{name}".split()],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert receiver.errors == []
    machines = list(receiver.machines.values())
    expected, processes = PROGRAMS[name]
    found = {REPLICA if one.id.startswith(REPLICA) else one.id for one in machines}
    assert found >= expected, done.stderr
    assert len({machine.process.pid for machine in machines}) >= processes

    def are_seen_at_work(receiver: Receiver) -> bool:
        alike = [[m for m in receiver.machines.values() if m.id.startswith(n)] for n in expected]
        return all(any(sum(one.clock) > 0 and one.txs for one in some) for some in alike)

    # What the last process said may wait to be read.
    receiver.wait(are_seen_at_work, 10)


@pytest.mark.slow
def test_a_program_that_serves_until_it_is_interrupted_is_seen(
    tmp_path: Path, debugger: tuple[Receiver, dict[str, str]]
) -> None:
    receiver, env = debugger
    with subprocess.Popen(
        [sys.executable, "-m", "examples.repl", str(tmp_path / "repl")], cwd=ROOT, env=env
    ) as process:
        names = ("pump", "window-east", "window-west")
        receiver.wait(lambda r: all(r.machine(name).clock[0] is not None for name in names), 30)
        receiver.wait(lambda r: all("Ready" in r.machine(name).active for name in names), 30)
        receiver.wait(lambda r: any(r.machine(name).handlers for name in names), 30)
        process.send_signal(signal.SIGINT)
    assert process.returncode == 0
    assert receiver.errors == []


@pytest.mark.slow
def test_a_pool_of_two_supervisors_behind_tls_succeeds_and_shows_all_its_machines(
    debugger: tuple[Receiver, dict[str, str]],
) -> None:
    pytest.importorskip("trustme")
    receiver, env = debugger
    done = subprocess.run(
        [sys.executable, "-m", "examples.worker_pool", "--plain", "--supers", "2", "--tls"],
        cwd=ROOT, env=env, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "totals are equal" in done.stdout
    assert receiver.errors == []
    machines = list(receiver.machines.values())
    shown = {machine.id: machine for machine in machines}
    processes = {machine.process.pid for machine in machines}
    # Two supervisors, four workers, at least one client.
    assert len(processes) >= 7, sorted(shown)
    assert sum(ident.startswith("ns-") for ident in shown) == 2
    kinds = {tag for machine in machines for tag in machine.tags}
    assert not any("am:inner" in machine.tags for machine in machines), kinds
    for machine in machines:
        assert sum(machine.clock) > 0, machine.id
        assert machine.txs or machine.dropped
        assert machine.handlers
    sources = [tx.tx.source for machine in machines for tx in machine.txs if tx.tx.source]
    assert any(source[0] in shown for source in sources)
    args = [tx.tx.args for machine in machines for tx in machine.txs if tx.tx.args]
    assert args
