"""The fuzzers of am-rpc at a small size, so that they are fit whenever they are wanted."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FUZZ = Path(__file__).parent.parent / "packages" / "am-rpc" / "fuzz"


def run(*argv: str, **sizes: object) -> subprocess.CompletedProcess[str]:
    env = os.environ | {f"AM_RPC_FUZZ_{name}": str(size) for name, size in sizes.items()}
    return subprocess.run(
        [sys.executable, *argv], env=env, capture_output=True, text=True, timeout=100, check=False
    )


@pytest.mark.process
@pytest.mark.slow
def test_harmed_input_leads_to_refusals_only(tmp_path: Path) -> None:
    done = run(str(FUZZ), FRAMES=20_000, LIVE=4, GUIDED=2, CORPUS=tmp_path)
    assert done.returncode == 0, done
    assert re.search(r"core: 20000 inputs, \d{4,} connections ended", done.stdout)
    assert "sessions: 200 inputs, no internal error, no task left" in done.stdout
    for kind in ("tcp", "tls", "ws"):
        told = rf"live mux over {kind}, 4 s: \d+ connections; .* 0 tasks left"
        assert re.search(told, done.stdout)
    guided = importlib.util.find_spec("atheris") is not None
    assert ("guided, sessions, 2 s:" if guided else "guided: skipped") in done.stdout


@pytest.mark.process
def test_a_fault_of_the_core_is_a_finding_that_is_shown() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(FUZZ)!r})\n"
        "import runpy, am_rpc\n"
        "def broken(self): raise KeyError('planted')\n"
        "am_rpc.Protocol.next_event = broken\n"
        f"runpy.run_path({str(FUZZ)!r}, run_name='__main__')\n"
    )
    done = run("-c", script, FRAMES=10, LIVE=1, GUIDED=0)
    assert done.returncode == 1
    assert done.stdout.startswith("input 0: b")
    assert "KeyError: 'planted'" in done.stderr


@pytest.mark.process
def test_an_internal_error_of_a_component_is_a_finding_that_is_shown() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(FUZZ)!r})\n"
        "import runpy, am_machine\n"
        "def broken(*args, **keywords): raise KeyError('planted')\n"
        "am_machine.Machine.add_err = am_machine.Machine.toggle = broken\n"
        f"runpy.run_path({str(FUZZ)!r}, run_name='__main__')\n"
    )
    done = run("-c", script, FRAMES=10, SESSIONS=300, LIVE=1, GUIDED=0)
    assert done.returncode == 1
    assert re.search(r"^input \d+: b", done.stdout, re.MULTILINE)
    assert "KeyError: 'planted'" in done.stderr
