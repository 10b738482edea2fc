"""Files of the current folder take nobody's place: not in a supervisor, not in its workers."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

# Would tell that it ran, in whichever process that was.
TRAP = textwrap.dedent("""\
    import os
    from pathlib import Path
    Path(__file__).with_suffix(".ran").write_text(str(os.getpid()))
    raise SystemExit("a file of the current folder took the place of a module")
    """)
# What supervisors and workers import early, late, and only when something goes wrong.
TRAPS = ("am_rpc", "decimal", "json", "logging", "msgpack", "signal", "traceback", "trio")
WORKER = textwrap.dedent("""\
    import json, sys
    import am_node
    import trio, msgpack, decimal
    import beside

    class Teller(am_node.Worker):
        def work(self, fail: bool = False) -> object:
            if fail:
                raise ValueError(decimal.Decimal(1))
            return [sys.path, [m.__file__ for m in (trio, msgpack, json, decimal, beside)]]
    """)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for name in ("run", "here", "there"):
        (tmp_path / name).mkdir(mode=0o700)
    here = tmp_path / "here"
    for name in TRAPS:
        (here / f"{name}.py").write_text(TRAP)
        (tmp_path / "there" / f"{name}.py").write_text(TRAP)
    (here / "teller.py").write_text(WORKER)
    (tmp_path / "there" / "beside.py").write_text("")
    return here


def _am_node(folder: Path, *args: str) -> list[str]:
    command = Path(sys.executable).with_name("am-node")
    assert command.exists()
    return [str(command), *args]


def test_nothing_of_the_current_folder_or_a_path_is_imported_instead_of_a_module(
    folder: Path,
) -> None:
    there = str(folder.parent / "there")
    pool = ("--path", ".", "--path", there, "--workers", "1")
    supervisor = subprocess.Popen(
        _am_node(folder, "supervisor", "teller:Teller", *pool),
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert supervisor.stdout is not None
    try:
        assert re.search(r"listens on", supervisor.stdout.readline())
        ask = ("work", "teller:Teller", "--path", ".", "--path", there)
        done = subprocess.run(
            _am_node(folder, *ask), cwd=folder, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        path, files = json.loads(done.stdout)
        failed = subprocess.run(
            _am_node(folder, *ask, "--arg", "fail", "--val", "true"),
            cwd=folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert (failed.returncode, "ValueError: 1" in failed.stderr) == (1, True), failed.stderr
    finally:
        supervisor.send_signal(signal.SIGTERM)
        supervisor.communicate(timeout=40)
    # The folders are searched, after all others, in the worker as in its supervisor.
    assert path[-2:] == [str(folder), there]
    *others, beside = files
    assert beside == str(folder.parent / "there" / "beside.py")
    assert not any(file.startswith(str(folder.parent)) for file in others)
    assert sorted(folder.parent.rglob("*.ran")) == []
