"""Acceptance 18: the command `am-gen`. Its output is checked by running ruff and mypy on it."""

from __future__ import annotations

import importlib.util
import itertools
import random
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

import am_helpers as amh
import am_machine as am
from am_helpers._gen import _bases, cli

GOLDEN = Path(__file__).parents[1] / "golden" / "ss_mymach.py"
COMMAND = [
    "states-file",
    "--states",
    "State1,State2:multi,State3:auto:multi",
    "--inherit",
    "basic,connected",
    "--groups",
    "Group1,Group2",
    "--name",
    "MyMach",
]


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class ByHand(amh.Basic, amh.Connected, am.States):
    State1 = am.State()
    State2 = am.State(multi=True)
    State3 = am.State(auto=True, multi=True)

    class Groups(amh.Connected.Groups):
        Group1: tuple[str, ...] = ()
        Group2: tuple[str, ...] = ()


def test_the_file_is_the_golden_one_and_a_second_run_changes_nothing(
    gen: Any, tmp_path: Path
) -> None:
    assert gen(*COMMAND) == (0, "ss_mymach.py\n", "")
    path = tmp_path / "ss_mymach.py"
    assert path.read_bytes() == GOLDEN.read_bytes()
    before = path.stat()
    assert gen(*COMMAND) == (0, "ss_mymach.py: unchanged\n", "")
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert [p.name for p in tmp_path.iterdir()] == ["ss_mymach.py"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~cli._umask()


def test_the_written_class_equals_one_written_by_hand(gen: Any, tmp_path: Path) -> None:
    gen(*COMMAND)
    made = load(tmp_path / "ss_mymach.py").MyMachStates
    assert made.names() == ByHand.names()
    assert amh.schema_hash(made) == amh.schema_hash(ByHand)
    assert dict(made.groups()) == dict(ByHand.groups())


def test_an_existing_file_is_replaced_only_by_force(gen: Any, tmp_path: Path) -> None:
    path = tmp_path / "ss_mymach.py"
    path.write_text("mine\n")
    code, _, err = gen(*COMMAND)
    assert (code, path.read_text()) == (1, "mine\n")
    assert "--force" in err
    assert gen(*COMMAND, "--force")[0] == 0
    assert path.read_bytes() == GOLDEN.read_bytes()


def test_stdout_writes_no_file(gen: Any, tmp_path: Path) -> None:
    assert gen(*COMMAND, "--stdout") == (0, GOLDEN.read_text(), "")
    assert list(tmp_path.iterdir()) == []


BAD = {
    "state that begins small": ["--states", "foo"],
    "state with a bad sign": ["--states", "Fo-o"],
    "no state": ["--states", ""],
    "empty state": ["--states", "Foo,,Bar"],
    "state twice": ["--states", "Foo,Foo:multi"],
    "unknown property": ["--states", "Foo:fast"],
    "property twice": ["--states", "Foo:auto:auto"],
    "reserved word": ["--states", "None"],
    "reserved by the engine": ["--states", "Any"],
    "reserved by the class": ["--states", "Groups"],
    "inherited state": ["--states", "Start", "--inherit", "basic"],
    "state named like a base": ["--states", "ConnPool", "--inherit", "connpool"],
    "state with a newline": ["--states", "Foo\nimport os"],
    "too long": ["--states", "F" * 129],
    "unknown base": ["--inherit", "nope"],
    "base twice": ["--inherit", "basic,basic"],
    "bad group": ["--groups", "group"],
    "group twice": ["--groups", "G,G"],
    "bad name": ["--name", "my mach"],
    "name with a path": ["--name", "../evil"],
    "no folder": ["--out", "nowhere"],
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_wrong_input_writes_nothing(gen: Any, tmp_path: Path, change: list[str]) -> None:
    code, out, err = gen("states-file", "--states", "Foo", "--name", "Mach", *change)
    assert (code, out) == (2, "")
    assert err.startswith("am-gen: ")
    assert list(tmp_path.iterdir()) == []


def test_usage_errors_exit_with_2(gen: Any) -> None:
    assert gen("states-file")[0] == 2
    assert gen()[0] == 2


def test_bases_come_from_entry_points(
    gen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other_lib.py").write_text(
        "import am_machine as am\n\n\nclass Other(am.States):\n    Thing = am.State()\n\nx = 1\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    group = _bases.SCHEMA_GROUP
    points = [
        EntryPoint("other", "other_lib:Other", group),
        EntryPoint("broken", "no_such_lib:X", group),
        EntryPoint("number", "other_lib:x", group),
    ]
    monkeypatch.setattr(_bases, "entry_points", lambda group: points)
    args = ["states-file", "--states", "Foo", "--name", "Mach", "--stdout"]
    code, out, _ = gen(*args, "--inherit", "other,basic")
    assert code == 0
    assert "from am_helpers import Basic\nfrom other_lib import Other\n" in out
    assert "class MachStates(Other, Basic, am.States):" in out
    for name, fault in (("broken", "cannot be loaded"), ("number", "no States"), ("x", "unknown")):
        code, _, err = gen(*args, "--inherit", name)
        assert code == 2
        assert fault in err


def test_a_failed_write_leaves_nothing(
    gen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*args: Any) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr(cli.os, "replace", fails)
    code, _, err = gen(*COMMAND)
    assert code == 1
    assert "disk is full" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_output_is_formatted_and_typed(gen: Any, tmp_path: Path, well_written: Any) -> None:
    rng = random.Random(5)
    keys = list(_bases.BUILT_IN)
    sizes = [1, 20, *range(36, 62), 70, *range(82, 96), 128]
    count = 0
    for length in range(len(keys) + 1):
        for picked in itertools.combinations(keys, length):
            states = [
                "S" + "x" * (size - 1) + rng.choice(["", ":auto", ":multi", ":auto:multi"])
                for size in sizes
            ]
            groups = rng.choice(["", "One", f"One,{'G' * 70},{'H' * 71},{'I' * 128}"])
            args = ["--states", ",".join(states), "--inherit", ",".join(picked)]
            code, _, err = gen("states-file", *args, "--groups", groups, "--name", f"Mach{count}")
            assert (code, err) == (0, "")
            count += 1
    code, _, err = gen(
        "states-file", "--states", "Foo", "--inherit", ",".join(keys), "--name", "M" * 40
    )
    assert (code, err) == (0, "")
    well_written(tmp_path, "E4,E7,E9,F,W,I,B,UP,RUF,D1")


class TestDiagramCommand:
    def test_it_prints(self, gen: Any) -> None:
        assert gen("diagram", "am_helpers:Connected") == (0, amh.mermaid(amh.Connected), "")
        code, out, _ = gen("diagram", "am_helpers:Connected", "--format", "d2", "--only", "^Conn")
        assert (code, out) == (0, amh.d2(amh.Connected, only=("^Conn",)))
        out = gen("diagram", "am_helpers:Connected", "--skip", "^Err", "--skip", "Start")[1]
        assert "Err" not in out

    def test_it_writes_text(self, gen: Any, tmp_path: Path) -> None:
        assert gen("diagram", "am_helpers:Basic", "--out", "basic.mmd") == (0, "", "")
        assert (tmp_path / "basic.mmd").read_text() == amh.mermaid(amh.Basic)

    def test_a_module_in_the_present_folder_is_found(self, gen: Any, tmp_path: Path) -> None:
        (tmp_path / "here_states.py").write_text("SCHEMA = {'Foo': {}}\n")
        assert gen("diagram", "here_states:SCHEMA")[0] == 0

    def test_no_renderer_is_3(
        self, gen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        code, _, err = gen("diagram", "am_helpers:Basic", "--out", "basic.svg")
        assert code == 3
        assert "mmdc is not installed" in err

    @pytest.mark.parametrize(
        "args",
        [
            ["am_helpers"],
            ["am_helpers:Nope"],
            ["no_such_module:X"],
            ["am_helpers:__doc__"],
            ["os:sep"],
            ["am_helpers:Basic", "--only", "("],
            ["am_helpers:Basic", "--format", "nope"],
        ],
    )
    def test_wrong_input_is_2(self, gen: Any, args: list[str]) -> None:
        code, out, err = gen("diagram", *args)
        assert (code, out) == (2, "")
        assert err

    def test_a_folder_that_is_not_there_is_1(self, gen: Any) -> None:
        assert gen("diagram", "am_helpers:Basic", "--out", "no/basic.mmd")[0] == 1
