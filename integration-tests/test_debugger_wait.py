"""`am-dbg wait`: a script goes on when a machine has done something."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from .debuggers import AM_DBG, collector, environ_for, export

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


def wait(folder: Path, query: str, *options: str, **env: str) -> subprocess.Popen[str]:
    """A process that waits for a transition at the collector of a folder."""
    command = [*AM_DBG, "wait", query, "--from", f"unix:{folder / 'a'}", *options]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environ = {**environ_for(folder), **env}
    return subprocess.Popen(command, env=environ, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


PROGRAM = """
import os
import am_machine as am
from am_telemetry.dbg import DbgExporter

machine = am.Machine({"Work": {}}, id="worker")
with DbgExporter(%r, secret=os.environb[b"AM_WAIT_SECRET"]) as exporter:
    exporter.bind(machine)
    machine.add("Work")
    assert exporter.flush(20)
"""


def export_with_secret(folder: Path) -> None:
    """A machine that does one thing, and knows the secret."""
    program = PROGRAM % f"unix:{folder / 'a'}"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def ended(waiting: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit code, and what it printed."""
    said, complained = waiting.communicate(timeout=60)
    return waiting.returncode, said, complained


def test_what_comes_later_and_what_was_kept_are_found(tmp_path: Path) -> None:
    early = wait(tmp_path, "+Work arg.id=7 id:worker", "--timeout", "60")  # before its collector
    with collector(tmp_path):
        late_one = wait(tmp_path, "-Start", "--timeout", "4")
        export(tmp_path, 20)
        code, said, _ = ended(early)
        assert code == 0
        assert "[add Work (id=7)] +Work mach://worker/" in said
        assert ended(wait(tmp_path, "-Work n>40", "--timeout=60"))[0] == 0
        code, said, complained = ended(late_one)
        assert (code, said) == (1, "")
        assert "nothing like -Start came in time" in complained


def test_refusals_and_wrong_usage_have_exit_codes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, complained = ended(wait(tmp_path, "no such"))
    assert code == 2
    assert "'no': no such term" in complained
    assert ended(wait(tmp_path, "+Work", "--peer-secret-env", "AM_NOT_SET"))[0] == 2
    monkeypatch.setenv("AM_WAIT_SECRET", "right")
    known = ("--peer-secret-env", "AM_WAIT_SECRET")
    with collector(tmp_path, "--secret-env", "AM_WAIT_SECRET"):
        code, _, complained = ended(wait(tmp_path, "+Work", *known, AM_WAIT_SECRET="wrong"))
        assert code == 3
        assert "wrong secret" in complained
        assert ended(wait(tmp_path, "+Work"))[0] == 3
        export_with_secret(tmp_path)
        assert ended(wait(tmp_path, "+Work", *known, "--timeout", "60"))[0] == 0
