"""`am-dbg lint` finds nothing in the examples, and what is wrong in a program that still runs.

In the demo it is looked for where the demo is recorded: `test_debugger_demo`."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .debuggers import collector, lint

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parent.parent
_ON_HELPERS = re.compile(r"^\s*\"?import am_(?!machine\b)\w+", re.MULTILINE)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a collector that takes in all that runs while this module does."""
    folder = tmp_path_factory.mktemp("lint")
    with collector(folder):
        yield folder


@pytest.fixture(scope="module")
def shown() -> list[int]:
    """How many machines each example has shown so far."""
    return []


EXAMPLES = os.environ.get("AM_DBG_LINT_EXAMPLES", "arpc,pipes,gossip")
"""Some; all of them in a night."""
ARGUMENTS = {"mach_template": ("360", "97")}
"""What makes a program end by itself that would go on."""
SERVERS = {"browser": 2, "repl": 4}
"""Programs that serve until Ctrl+C, by how many lines they print before that."""


def run(folder: Path, name: str) -> None:
    """Run an example that tells the collector of its machines; a server, until it serves."""
    environ = {**os.environ, "AM_DBG_ADDR": f"unix:{folder / 'a'}"}
    command = [sys.executable, "-m", f"examples.{name}", *ARGUMENTS.get(name, ())]
    if name == "repl":
        command.append(str(folder / "greenhouse"))
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    ) as program:  # fmt: skip
        assert program.stdout is not None
        told = [program.stdout.readline() for _ in range(SERVERS.get(name, 0))]
        if told:
            program.send_signal(signal.SIGINT)
        try:
            out, _ = program.communicate(timeout=120)
        except subprocess.TimeoutExpired:
            program.kill()
            raise
    assert program.returncode == 0, f"{told} {out}"


def names() -> list[str]:
    """Examples that a debugger can look at, but for the demo."""
    found = []
    for path in sorted(set((ROOT / "examples").iterdir()) - {ROOT / "examples" / "worker_pool"}):
        sources = [source.read_text() for source in path.glob("*.py")]
        sources += [source.read_text() for source in path.glob("*.ipynb")]
        if (path / "__main__.py").exists() and any(map(_ON_HELPERS.search, sources)):
            found.append(path.name)
    return found


RAN = [name for name in names() if EXAMPLES == "all" or name in EXAMPLES.split(",")]


@pytest.mark.parametrize("name", RAN)
def test_an_example_shows_its_machines_and_nothing_is_found_in_them(
    seen: Path, shown: list[int], name: str
) -> None:
    run(seen, name)
    code, told, machines = lint(seen)
    assert (code, told) == (0, "")
    assert machines > sum(shown)
    shown.append(machines - sum(shown))


def test_some_examples_are_looked_at_each_day() -> None:
    assert {"arpc", "pipes", "gossip"} <= set(RAN)


FAULTY = """
import sys
import trio
import am_machine as am
from am_telemetry.dbg import DbgExporter

async def main():
    machine = am.Machine(
        {"Open": {"remove": ["Closed"]}, "Closed": {"remove": ["Open"]}}, id="door"
    )
    with DbgExporter(sys.argv[1]) as exporter:
        exporter.bind(machine)
        async with machine:
            machine.add("Closed")
            assert exporter.flush(20)
            print("told", flush=True)
            await machine.when("Open", "Closed")

trio.run(main)
"""


def test_a_wait_is_found_that_nobody_can_satisfy_while_it_waits(tmp_path: Path) -> None:
    with collector(tmp_path):
        command = [sys.executable, "-c", FAULTY, f"unix:{tmp_path / 'a'}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            try:
                assert program.stdout is not None
                assert program.stdout.readline() == "told\n"
                code, told, _ = lint(tmp_path)
            finally:
                program.send_signal(signal.SIGKILL)
        assert code == 1
        assert told.startswith("unmet-wait: door: a wait for Open Closed")
        assert "Open removes Closed, so they are never active together" in told
        assert lint(tmp_path, "--ignore", "unmet-wait") == (0, "", 1)
