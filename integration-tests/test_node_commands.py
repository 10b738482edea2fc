"""The commands of pools where something is missing: one line, an exit code that says what happened,
and no result lost.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.process, pytest.mark.slow]

SQUARER = """\
import am_node

class Squarer(am_node.Worker):
    def work(self, input):
        with open("begun", "a") as file:
            file.write("x")
        return "\\u00e4" if input == "odd" else input * 2
"""
AM_NODE = f"{sys.executable} -m am_node"
WORK = f"{AM_NODE} work squarer:Squarer --arg input --val"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a class, its supervisor, and a directory for the sockets of this test's user."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "squarer.py").write_text(SQUARER)
    (folder / "run").mkdir(mode=0o700)
    return folder


@pytest.fixture(scope="module")
def supervisor(folder: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        f"{AM_NODE} supervisor squarer:Squarer --workers 1 --conn-timeout 60".split(),
        cwd=folder, stdout=subprocess.PIPE, text=True, env=_environment(folder),
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert "listens on" in process.stdout.readline()
        yield process
    finally:
        process.terminate()
        process.wait(timeout=40)
        process.stdout.close()


def _environment(folder: Path, **more: str) -> dict[str, str]:
    # Not the mark of one test, which the supervisor of them all outlives.
    kept = {name: value for name, value in os.environ.items() if name != "AM_TEST_RUN"}
    return {**kept, "XDG_RUNTIME_DIR": str(folder / "run"), **more}


def _sh(folder: Path, script: str, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=60,
        env=_environment(folder, **env), check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def _begun(folder: Path) -> int:
    path = folder / "begun"
    return len(path.read_text()) if path.exists() else 0


@pytest.mark.usefixtures("supervisor")
def test_a_result_that_no_disk_takes_is_told_and_stands_in_the_line(folder: Path) -> None:
    code, _, err = _sh(folder, f"{WORK} 21 > /dev/full")
    assert (code, err) == (
        5, "am-node: stdout: [Errno 28] No space left on device; not written: 42\n",
    )  # fmt: skip


@pytest.mark.usefixtures("supervisor")
def test_where_nothing_can_be_written_nothing_is_begun(folder: Path) -> None:
    before = _begun(folder)
    for command in (f"{WORK} 1", f"{AM_NODE} map squarer:Squarer --running", f"{AM_NODE} status"):
        code, _, err = _sh(folder, f"{command} >&- <<< '{{\"input\": 1}}'")
        assert (code, err) == (
            5, "am-node: stdout is closed, so no result could be written\n",
        )  # fmt: skip
    assert _begun(folder) == before


@pytest.mark.usefixtures("supervisor")
def test_without_stdin_stderr_or_a_folder_it_works_or_says_what_is_missing(folder: Path) -> None:
    assert _sh(folder, f"{WORK} 2 <&- 2>&-") == (0, "4\n", "")
    assert _sh(folder, f"{WORK} 2 --key-id x 2>&-") == (2, "", ""), "not a line of it on stdout"
    code, _, err = _sh(folder, f"{AM_NODE} map squarer:Squarer --running <&-")
    assert (code, err) == (2, "am-node: stdin is closed: name a file\n")
    gone = "mkdir gone && cd gone && rmdir ../gone"
    assert _sh(folder, f"{gone}; {AM_NODE} status --kind Other")[0] == 3
    code, out, err = _sh(folder, f"{gone}; {WORK} 2 --path {folder}")
    assert (code, out, err) == (0, "4\n", "")
    code, out, err = _sh(folder, f"{gone}; {WORK} 2")
    assert (code, out) == (2, "")
    assert re.fullmatch(r"am-node: importing squarer failed: ModuleNotFoundError: .*\n", err)


@pytest.mark.usefixtures("supervisor")
@pytest.mark.parametrize(
    "way",
    [
        "umask 777; {}",
        "setsid -w {}",
        "env -i XDG_RUNTIME_DIR=$XDG_RUNTIME_DIR {}",
        "HOME=/nowhere {}",
        "{} -OO",
    ],
)
def test_a_command_works_without_a_home_a_terminal_a_mask_or_assertions(
    folder: Path, way: str
) -> None:
    # What follows the name of an interpreter is said to it.
    python, _, words = WORK.partition(" ")
    assert _sh(folder, f"{way.format(python)} {words} 21") == (0, "42\n", "")


@pytest.mark.usefixtures("supervisor")
def test_characters_that_an_old_encoding_lacks_are_escaped(folder: Path) -> None:
    old = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    code, out, err = _sh(folder, f"{WORK} odd", PYTHONIOENCODING="ascii:strict", **old)
    assert (code, out, err) == (0, '"\\u00e4"\n', "")
    assert json.loads(out) == "\u00e4"


@pytest.mark.usefixtures("supervisor")
def test_an_input_that_cannot_be_sent_is_an_error_of_its_line(folder: Path) -> None:
    too_large = "9" * 30
    code, out, err = _sh(folder, f"{WORK} {too_large}")
    assert (code, out) == (2, "")
    assert err.startswith("am-node: argument input: ")
    lines = f'{{"input": {too_large}}}\n{{"input": "\\ud800"}}\n{{"input": 4}}\n'
    (folder / "lines").write_text(lines)
    code, out, err = _sh(folder, f"{AM_NODE} map squarer:Squarer lines --running --ordered")
    assert (code, err) == (2, "")
    large, half, fine = map(json.loads, out.splitlines())
    for failed in (large, half):
        assert "result" not in failed
        assert failed["error"]["type"] == "EncodeError"
        assert failed["error"]["message"].startswith("argument input: ")
    assert fine == {"args": {"input": 4}, "result": 8}


@pytest.mark.usefixtures("supervisor")
def test_a_reader_that_leaves_ends_a_map_soon_and_quietly(folder: Path) -> None:
    lines = 'for n in $(seq 100000); do echo "{\\"input\\": $n}"; done'
    _, out, err = _sh(
        folder,
        f"set -o pipefail; ({lines}) 2>/dev/null "
        f"| ({AM_NODE} map squarer:Squarer --running --ordered; echo $? > code) | head -2",
    )
    assert out.splitlines()[0] == '{"args": {"input": 1}, "result": 2}'
    assert err == ""
    assert (folder / "code").read_text() == "5\n"
    assert _begun(folder) < 5000, "the rest is left alone"


@pytest.mark.usefixtures("supervisor")
def test_lines_that_a_full_disk_refuses_are_told_and_those_before_are_there(folder: Path) -> None:
    lines = 'for n in 1 2 3; do echo "{\\"input\\": $n}"; done'
    code, _, err = _sh(folder, f"({lines}) | {AM_NODE} map squarer:Squarer --running > /dev/full")
    assert code == 5
    assert re.fullmatch(r'am-node: stdout: .*; not written: {"args": .*\n', err)


def test_a_supervisor_that_cannot_say_where_it_listens_serves_those_who_know(folder: Path) -> None:
    code, out, err = _sh(
        folder,
        f"{AM_NODE} supervisor squarer:Squarer --workers 1 --addr unix:$PWD/own "
        "--conn-timeout 60 > /dev/full & "
        f"pid=$!; while [ ! -S own ]; do sleep 0.1; done; "
        f"{WORK} 4 --supers unix:$PWD/own; kill $pid; wait $pid",
    )
    assert (code, out, err) == (0, "8\n", "")
