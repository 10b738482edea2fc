"""`am-dbg --repl`: another process drives the debugger by the states that keys go through."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .debuggers import AM_DBG, environ_for, export

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


def arpc(address: str, *command: str) -> subprocess.CompletedProcess[str]:
    """What `arpc` says to one command."""
    program = [sys.executable, "-m", "am_rpc._repl._main", address, "--", *command]
    return subprocess.run(program, capture_output=True, text=True, timeout=60)


def test_actions_are_made_with_typed_args(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environ = {**environ_for(tmp_path), "XDG_RUNTIME_DIR": str(runtime)}
    argv = ["--headless", "--repl", "-l", f"unix:{tmp_path / 'a'}", "--no-tail", "-d", str(tmp_path)]
    with subprocess.Popen([*AM_DBG, *argv], env=environ, stderr=subprocess.PIPE, text=True) as made:
        assert made.stderr is not None
        try:
            found = re.search(r"arpc (unix:\S+)", made.stderr.readline())
            assert found is not None
            address = found[1]
            socket = address.removeprefix("unix:")
            assert os.stat(os.path.dirname(socket)).st_mode & 0o777 == 0o700
            export(tmp_path, 20)
            assert arpc(address, "add", "SelectingClient", "--client", "worker").returncode == 0
            assert arpc(address, "wait", "ClientSelected").returncode == 0
        finally:
            made.terminate()
            made.wait(20)
    assert not os.path.exists(socket)
