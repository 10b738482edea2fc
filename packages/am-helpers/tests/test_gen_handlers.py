"""`am-gen handlers`: a base class that tells type checkers of handlers, and binds none."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import am_machine as am
from am_helpers._gen import cli
from am_helpers._gen._handlers_file import handlers_file

if TYPE_CHECKING:
    from pathlib import Path

DECLARED = re.compile(r"def (\w+)\(\s*self, event: am.Event\s*\) -> (.+): \.\.\.")
DOOR = """
import am_machine as am

class DoorStates(am.States):
    Open = am.State(remove=["Closed"])
    Closed = am.State(remove=[Open])
"""


def declared(text: str) -> dict[str, str]:
    """Handler name and what it returns."""
    return dict(DECLARED.findall(text))


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file with a schema, as the command takes it."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    path = tmp_path / "door.py"
    path.write_text(DOOR)
    return f"{path}:DoorStates"


def test_it_declares_each_handler_of_each_state(
    door: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["handlers", door]) == 0
    found = declared(capsys.readouterr().out)
    own = {name for name in found if "Exception" not in name}
    assert own == {
        *("OpenExit", "OpenEnter", "OpenEnd", "OpenState", "OpenOpen", "AnyEnter", "AnyState"),
        *("ClosedExit", "ClosedEnter", "ClosedEnd", "ClosedState", "ClosedClosed"),
    }
    assert found["OpenEnter"] == found["ClosedClosed"] == found["AnyEnter"] == "bool | None"
    assert found["OpenState"] == found["OpenEnd"] == "Awaitable[None] | None"
    assert "ExceptionState" in found


def test_pairs_are_declared_on_demand(door: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["handlers", door, "--pairs"]) == 0
    found = declared(capsys.readouterr().out)
    assert found["OpenClosed"] == found["ClosedOpen"] == found["OpenException"] == "bool | None"


def test_a_subclass_binds_what_it_defines_and_nothing_else(door: str) -> None:
    space: dict[str, Any] = {"__name__": "door_handlers"}
    exec(handlers_file("DoorHandlers", am.Schema({"Open": {}, "Closed": {}})), space)

    body = {"OpenState": lambda self, event: None}
    subclass: Any = type("Door", (space["DoorHandlers"],), body)
    mach = am.Machine({"Open": {}, "Closed": {}}, handlers=subclass())
    assert list(mach.handler_names) == ["OpenState"]


NAMES = st.from_regex(r"(A|B|Enter|End|State|Exit|Any){1,3}", fullmatch=True)


@given(st.lists(NAMES.filter(lambda name: name != "Any"), min_size=1, max_size=4, unique=True))
def test_the_engine_takes_all_that_is_declared_and_refuses_what_is_left_out(
    states: list[str],
) -> None:
    schema = am.Schema({state: {} for state in states})
    text = handlers_file("SomeHandlers", schema, pairs=True)
    found = declared(text)
    mach = am.Machine(schema)
    for name in found:
        mach.bind({name: lambda event: None})
    for name in re.findall(r"# (\w+) can be read in two ways", text):
        assert name not in found
        with pytest.raises(am.HandlerError, match="ambiguous"):
            am.Machine(schema).bind({name: lambda event: None})


def test_it_is_written_once_and_replaced_by_force_only(
    door: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "door_handlers.py"
    command = ["handlers", door, "--out", str(out)]
    assert cli.main(command) == 0
    text = out.read_text()
    assert cli.main(command) == 0
    assert capsys.readouterr().out == f"{out}\n{out}: unchanged\n"
    out.write_text("# mine\n")
    assert cli.main(command) == 1
    assert out.read_text() == "# mine\n"
    assert cli.main([*command, "--force"]) == 0
    assert out.read_text() == text


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["handlers", "am_helpers:bind"], "neither a schema"),
        (["handlers", "am_helpers:Nothing"], "Nothing"),
        (["handlers", "am_helpers:Basic", "--name", "no name"], "no name for a class"),
        (["handlers", "am_helpers:Basic", "--name", "class"], "no name for a class"),
    ],
)
def test_wrong_input_is_told(
    args: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(args) == 2
    assert told in capsys.readouterr().err


@pytest.mark.skipif(
    not (importlib.util.find_spec("ruff") and importlib.util.find_spec("mypy")),
    reason="ruff and mypy are not installed",
)
def test_the_file_is_as_ruff_would_have_it_and_passes_mypy(tmp_path: Path) -> None:
    long = "A" + "b" * 39
    for number, states in enumerate((["Foo", "FooState", "State"], [long], ["Foo"])):
        schema = am.Schema({state: {} for state in states})
        text = handlers_file(f"Some{number}Handlers", schema, pairs=True)
        (tmp_path / f"some_{number}.py").write_text(text)
    ruff = [sys.executable, "-m", "ruff"]
    for command in (
        [*ruff, "format", "--check", "--diff", "--isolated", "--line-length", "100", "."],
        [*ruff, "check", "--isolated", "--line-length", "100", "--select", "E,F,I,UP,RUF", "."],
        [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "."],
    ):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
