"""The programs of the pages on easy ways in, and the commands, run as they are printed."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.process

SQUARER = """\
import am_node

class Squarer(am_node.Worker):
    def work(self, input):
        return input ** 2
"""
PAIRS = [(n, n * n) for n in range(10)]


def _blocks(page: Path) -> list[str]:
    return re.findall(
        r"^<!-- skip: next .*?-->\n```python\n(.*?)^```", page.read_text(), re.M | re.S
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "squarer.py").write_text(SQUARER)
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    return tmp_path


def _am_node(folder: Path, *args: str, input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "am_node", *args],
        cwd=folder, input=input, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("page", ["README.md", "docs/ways-in.md"])
def test_the_programs_of_the_pages_run_as_printed(root: Path, folder: Path, page: str) -> None:
    blocks = _blocks(root / "packages" / "am-node" / page)
    (folder / "program.py").write_text("\n\n".join(blocks))
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    pairs = [tuple(map(int, line.split())) for line in done.stdout.splitlines()]
    assert sorted(pairs[:10]) == PAIRS
    assert pairs[10:] == PAIRS * (len(blocks) - 1)


def test_lines_of_json_become_lines_of_json(folder: Path) -> None:
    lines = "".join(f"{json.dumps({'input': n})}\n" for n in range(10))
    done = _am_node(folder, "map", "squarer:Squarer", "--workers", "2", "--ordered", input=lines)
    assert (done.returncode, done.stderr) == (0, "")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [{"args": {"input": n}, "result": n * n} for n in range(10)]


@pytest.fixture
def supervisor(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "am_node", "supervisor", "squarer:Squarer", "--workers", "2"],
        cwd=folder, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert "listens on unix:" in process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        process.stdout.close()


def test_a_supervisor_of_ones_own_needs_no_address(
    folder: Path, supervisor: subprocess.Popen[str]
) -> None:
    done = _am_node(folder, "work", "squarer:Squarer", "--arg", "input", "--val", "12")
    assert (done.returncode, done.stdout) == (0, "144\n"), done.stderr

    lines = '{"input": 1}\n\n{"input": "text"}\n{"input": 3}\n'
    done = _am_node(folder, "map", "squarer:Squarer", "--running", "--ordered", input=lines)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line.get("result") for line in found] == [1, None, 9]
    assert found[1]["error"]["type"] == "TypeError"
    assert (done.returncode, done.stderr) == (1, "")

    # What was read before the line that is none is done.
    lines = '{"input": 1}\n[2]\n{"input": 3}\n'
    done = _am_node(folder, "map", "squarer:Squarer", "--running", input=lines)
    assert done.stdout == '{"args": {"input": 1}, "result": 1}\n'
    assert done.stderr == "am-node: line 2 is no JSON object with args of the work\n"
    assert done.returncode == 2

    done = _am_node(folder, "status", "--json")
    status = json.loads(done.stdout)
    assert (status["kind"], status["pid"]) == ("Squarer", supervisor.pid)
    assert len(status["workers"]) == 2
    done = _am_node(folder, "status")
    head, *rest = [line for line in done.stdout.splitlines() if not line.startswith("  error:")]
    assert head.startswith(f"{status['id']} at unix:"), done.stdout
    assert [line.split()[0] for line in rest] == ["worker", *(w["id"] for w in status["workers"])]

    assert _am_node(folder, "drain", "--kind", "Other").returncode == 3
    assert _am_node(folder, "drain", "--kind", "Squarer").returncode == 0
    assert supervisor.wait(timeout=40) == 0
    done = _am_node(folder, "status")
    assert done.returncode == 3
    assert done.stderr.startswith("am-node: no supervisor of this user runs here")


def test_ctrl_c_ends_a_map_and_its_pool(folder: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "am_node", "map", "squarer:Squarer", "--workers", "1"],
        cwd=folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write('{"input": 7}\n')
    process.stdin.flush()
    assert '"result": 49' in process.stdout.readline(), "each line comes as soon as it is done"
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (130, "", "")
