"""What the commands refuse: one line on stderr, and an exit code that says whose fault it is."""

import logging
import sys
from pathlib import Path

import pytest

from am_node._cli.cli import main
from am_node._cli.options import extend_path

SQUARER = """\
import am_node

class Squarer(am_node.Worker):
    def work(self, input):
        return input ** 2
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "squarer.py").write_text(SQUARER)
    (tmp_path / "run").mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "squarer", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _told(capsys: pytest.CaptureFixture[str], command: str) -> tuple[int, str]:
    with pytest.raises(SystemExit) as ended:
        main(command.split())
    out, err = capsys.readouterr()
    assert out == ""
    assert isinstance(ended.value.code, int)
    return ended.value.code, err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("supervisor squarer:Squarer --addr nowhere", "nowhere"),
        ("supervisor squarer:Squarer --workers 0", "at least 1"),
        ("supervisor squarer:Squarer --path missing", "no such folder"),
        ("map squarer:Missing", "no class Missing"),
        ("map squarer:Squarer --supers 127.0.0.1:9 --workers 0", "--workers"),
        ("map squarer:Squarer --attempts none", "--attempts"),
        ("map squarer:Squarer one.jsonl --ordered two.jsonl", "two.jsonl"),
        ("map --ordered", "entry"),
        ("work squarer:Squarer --supers ,", "empty address"),
        ("work squarer:Squarer --arg x", "each --arg needs a --val"),
        ("status --supers 127.0.0.1", "127.0.0.1"),
        ("status --secret-file /dev/null", "holds no secret"),
        ("drain --key-id ops", "--key-id needs --secret-file"),
        ("", "COMMAND"),
    ],
)
def test_what_the_user_got_wrong_has_exit_code_2(
    capsys: pytest.CaptureFixture[str], command: str, told: str
) -> None:
    code, err = _told(capsys, command)
    assert code == 2
    assert told in err.splitlines()[-1]
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("supervisor squarer:Squarer --addr unix:/nowhere/at/all", "/nowhere/at/all"),
        ("map squarer:Squarer missing.jsonl", "missing.jsonl"),
        ("map squarer:Squarer --ordered missing.jsonl", "missing.jsonl"),
        ("map --workers 1 squarer:Squarer --ordered missing.jsonl --attempts 1", "missing.jsonl"),
        ("work squarer:Squarer --supers 127.0.0.1:9 --timeout 0.3", "no supervisor was reached"),
        ("status --supers 127.0.0.1:9 --timeout 0.3", "no supervisor told its status"),
        ("status", "no supervisor of this user runs here"),
        ("drain --kind Squarer", "no supervisor of Squarer of this user runs here"),
    ],
)
def test_what_cannot_be_had_has_exit_code_3(
    capsys: pytest.CaptureFixture[str], command: str, told: str
) -> None:
    code, err = _told(capsys, command)
    assert code == 3
    assert told in err
    assert len(err.splitlines()) == 1


def test_a_folder_for_sockets_that_is_open_to_others_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "run" / "asyncmachine").mkdir()
    (folder / "run" / "asyncmachine").chmod(0o755)
    code, err = _told(capsys, "supervisor squarer:Squarer")
    assert code == 3
    assert "open to other users" in err


def test_a_folder_of_ones_own_comes_after_all_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(folder), "/a", "/b"])
    extend_path([])
    assert sys.path == ["/a", "/b", str(folder)]
    extend_path(["run"])
    assert sys.path[-2:] == [str(folder), str(folder / "run")]
