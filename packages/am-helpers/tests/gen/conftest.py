"""The command, and the tools that what it writes has to pass."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from am_helpers._gen import cli

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="session")
def well_written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path, str], None]:
    """Check a folder with ruff, by the rules given, and with mypy; skip where they are missing."""
    if not (importlib.util.find_spec("ruff") and importlib.util.find_spec("mypy")):
        pytest.skip("ruff and mypy are not installed")
    # Of all tests: what am_machine's own types are has to be found out once, or was by whoever
    # names a cache.
    env = {"MYPY_CACHE_DIR": str(tmp_path_factory.mktemp("mypy"))} | os.environ
    ruff = [sys.executable, "-m", "ruff"]

    def check(folder: Path, rules: str) -> None:
        for command in (
            [*ruff, "format", "--check", "--diff", "--isolated", "--line-length", "100", "."],
            [*ruff, "check", "--isolated", "--line-length", "100", "--select", rules, "."],
            # By its whole path: in a shared cache no other file goes by that name.
            [sys.executable, "-m", "mypy", "--strict", str(folder)],
        ):
            done = subprocess.run(
                command,
                cwd=folder,
                env=env,
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, (done.stdout + done.stderr)[:3000]

    return check


@pytest.fixture
def gen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command in an empty folder; returns exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*args: str) -> tuple[int, str, str]:
        try:
            code = cli.main(args)
        except SystemExit as exc:
            code = int(str(exc.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run
