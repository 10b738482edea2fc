"""`am-dbg lint` finds nothing in the demo and in the examples, and what is wrong in a program that
still runs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .debuggers import AM_DBG, collector, environ_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.process, pytest.mark.slow]
ROOT = Path(__file__).parent.parent
_ON_HELPERS = re.compile(r"^import am_(?!machine\b)\w+", re.MULTILINE)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a collector that takes in all that runs while this module does."""
    folder = tmp_path_factory.mktemp("lint")
    with collector(folder):
        yield folder


def lint(folder: Path, *options: str) -> tuple[int, str, int]:
    """Exit code and text, of what the collector has, and how many machines that are."""
    command = [*AM_DBG, "lint", "--from", f"unix:{folder / 'a'}", *options]
    done = subprocess.run(
        command, env=environ_for(folder), capture_output=True, text=True, timeout=60
    )
    assert done.returncode in (0, 1), done.stderr
    told, _, last = done.stdout.rstrip("\n").rpartition("\n")
    (counted,) = re.findall(r"found in (\d+) machines", last)
    return done.returncode, told, int(counted)


def run(folder: Path, *module: str) -> str:
    """Run a program that tells the collector of its machines; what it said."""
    environ = {**os.environ, "AM_DBG_ADDR": f"unix:{folder / 'a'}"}
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


EXAMPLES = os.environ.get("AM_DBG_LINT_EXAMPLES", "worker_pool,arpc,pipes,gossip")
"""Some, the demo among them; all of them in a night."""


def names() -> list[str]:
    """Examples that a debugger can look at, and that end by themselves."""
    found = []
    for path in sorted((ROOT / "examples").iterdir()):
        sources = [source.read_text() for source in path.glob("*.py")]
        if (path / "__main__.py").exists() and any(map(_ON_HELPERS.search, sources)):
            found.append(path.name)
    return [name for name in found if name not in ("observability", "repl")]


def test_nothing_is_found_in_the_demo_and_in_examples(seen: Path) -> None:
    ran = [name for name in names() if EXAMPLES == "all" or name in EXAMPLES.split(",")]
    assert {"worker_pool", "arpc", "pipes", "gossip"} <= set(ran)
    for name in ran:
        arguments = ("--plain",) if name == "worker_pool" else ()
        run(seen, f"examples.{name}", *arguments)
    code, told, machines = lint(seen)
    assert (code, told) == (0, "")
    assert machines > 20


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
