"""`am-gen` with relations, groups with members, and classes in files."""

from __future__ import annotations

import importlib.util
import random
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am
from am_helpers.__about__ import __version__

if TYPE_CHECKING:
    from pathlib import Path


class Box(amh.Basic, am.States):
    Full = am.State()
    Open = am.State(auto=True, require=["Full", "Start"], remove=["Shut"], after=["Full"])
    Shut = am.State(multi=True, add=["Exception"])

    class Groups:
        Door: tuple[str, ...] = ("Open", "Shut")
        Alone: tuple[str, ...] = ("Start",)
        Empty: tuple[str, ...] = ()


def test_relations_and_members_of_groups_are_written(gen: Any, tmp_path: Path) -> None:
    states = (
        "Full,Open:after(Full):remove(Shut):auto:require(Full; Start),Shut:multi:add(Exception)"
    )
    groups = "Door(Open;Shut),Alone(Start),Empty()"
    code, out, err = gen(
        "states-file", "--states", states, "--groups", groups, "--inherit", "basic", "--name", "Box"
    )
    assert (code, out, err) == (0, "ss_box.py\n", "")
    spec = importlib.util.spec_from_file_location("ss_box", tmp_path / "ss_box.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    made = module.BoxStates
    assert made.names() == Box.names()
    assert amh.schema_hash(made) == amh.schema_hash(Box)
    assert dict(made.groups()) == dict(Box.groups())


@pytest.mark.parametrize(
    ("states", "groups", "fault"),
    [
        ("A:require(Nope)", "", "Nope"),
        ("A:needs(B),B", "", "unknown property"),
        ("A:require(B;B),B", "", "twice"),
        ("A:require(B):require(C),B,C", "", "twice"),
        ("A:require(b)", "", "no name"),
        ("A:require(B", "", "unknown property"),
        ("A:require(B)x,B", "", "unknown property"),
        ("A:auto()", "", "unknown property"),
        ("A:require", "", "unknown property"),
        ("A", "G(Nope)", "Nope"),
        ("A", "G(A;A)", "twice"),
        ("A", "g(A)", "no name"),
        ("A", "G(A", "no name"),
    ],
)
def test_wrong_relations_and_groups_write_nothing(
    gen: Any, tmp_path: Path, states: str, groups: str, fault: str
) -> None:
    code, out, err = gen("states-file", "--states", states, "--groups", groups, "--name", "Mach")
    assert (code, out) == (2, "")
    assert fault in err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_is_written_is_formatted_and_typed(
    gen: Any, tmp_path: Path, well_written: Any
) -> None:
    rng = random.Random(3)
    for number in range(30):
        names = ["S" + f"{i:02}" + "x" * rng.choice([0, 3, 17, 40, 55]) for i in range(12)]
        states = []
        for name in names:
            parts = rng.sample(["auto", "multi"], rng.randrange(3))
            for kind in rng.sample(["require", "add", "after"], rng.randrange(4)):
                # After the state's own: a circle of these is a fault of the schema.
                later = names[names.index(name) + 1 :]
                some = rng.sample(later, min(len(later), rng.choice([0, 1, 2, 3, 6])))
                parts.append(f"{kind}({';'.join(some)})")
            states.append(":".join([name, *parts]))
        groups = []
        for i in range(4):
            members = ";".join(rng.sample(names, rng.choice([0, 1, 2, 7])))
            groups.append(f"G{i}{'y' * rng.choice([0, 30])}({members})")
        code, _, err = gen(
            "states-file", "--states", ",".join(states), "--groups", ",".join(groups),
            "--name", f"Mach{number}",
        )  # fmt: skip
        assert (code, err) == (0, "")
    well_written(tmp_path, "E4,E7,E9,F,W,I,B,UP,D1")


def test_it_tells_its_version(gen: Any) -> None:
    assert gen("--version") == (0, f"am-gen {__version__}\n", "")


def test_no_states_at_all_are_refused(gen: Any, tmp_path: Path) -> None:
    for given in ("", " ", ","):
        code, out, err = gen("states-file", "--states", given, "--name", "Empty")
        assert (code, out) == (2, "")
        assert "am-gen" in err
    assert not list(tmp_path.iterdir())


def test_a_diagram_of_a_file_s_class(gen: Any, tmp_path: Path) -> None:
    (tmp_path / "neighbour.py").write_text("NAME = 'Foo'\n")
    (tmp_path / "my_states.py").write_text(
        "import am_machine as am\nimport neighbour\n\n"
        "class Mine(am.States):\n    Foo = am.State()\n    class Inner(am.States):\n"
        "        Bar = am.State()\n"
    )
    code, out, err = gen("diagram", "my_states.py:Mine")
    assert (code, err) == (0, "")
    assert "m0_Foo" in out
    code, out, _ = gen("diagram", f"{tmp_path / 'my_states.py'}:Mine.Inner")
    assert code == 0
    assert "m0_Bar" in out
    for missing in ("nothing.py:Mine", "my_states.py:Nothing", "my_states.py", ":Mine"):
        code, out, err = gen("diagram", missing)
        assert (code, out) == (2, ""), missing
        assert missing.partition(":")[0] in err
