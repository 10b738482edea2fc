"""`am-dbg --repl`: another process drives the debugger by the states that keys go through."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .debuggers import AM_DBG, environ_for, export

pytestmark = [pytest.mark.process, pytest.mark.slow]


def arpc(address: str, *command: str) -> subprocess.CompletedProcess[str]:
    """What `arpc` says to one command."""
    program = [Path(sys.executable).with_name("arpc"), address, "--", *command]
    return subprocess.run(program, capture_output=True, text=True, timeout=60)


def drive(address: str) -> None:
    """Select a machine, go somewhere, and export the moment; what does not fit is refused."""

    def add(state: str, *args: str) -> int:
        return arpc(address, "add", ".", state, *args).returncode

    assert add("SelectingClient", "--arg", "client", "--val", "nobody") == 1
    assert add("SelectingClient", "--arg", "client", "--val", "worker") == 0
    assert add("SetCursor", "--arg", "number", "--val", "many") != 0
    assert add("SetCursor", "--arg", "number", "--val", "3") == 0
    moment = ("--arg", "path", "--val", "now", "--arg", "only_moment", "--val", "true")
    assert add("Exporting", *moment) == 0
    assert arpc(address, "when", ".", "Exported", "--timeout", "20").returncode == 0
    shown = arpc(address, "mach", ".").stdout
    assert "TxSelected" in shown


def test_actions_are_made_with_typed_args(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environ = {**environ_for(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}
    argv = [
        "--headless",
        "--repl",
        "-l",
        f"unix:{tmp_path / 'a'}",
        "--no-tail",
        "-d",
        str(tmp_path),
    ]
    with subprocess.Popen([*AM_DBG, *argv], env=environ, stderr=subprocess.PIPE, text=True) as made:
        assert made.stderr is not None
        try:
            found = re.search(r"arpc (unix:\S+)", made.stderr.readline())
            assert found is not None
            address = found[1]
            socket = address.removeprefix("unix:")
            assert os.stat(os.path.dirname(socket)).st_mode & 0o777 == 0o700
            export(tmp_path, 20)
            drive(address)
            assert (tmp_path / "now.amdbg.gz").stat().st_size
        finally:
            made.terminate()
            made.wait(20)
    assert not os.path.exists(socket)
