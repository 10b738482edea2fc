"""What the rooms of the engine keep to: few files on the way of a mutation, one place a step."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import am_machine as am
from am_machine import testing

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

SOURCE = Path(am.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
NAMES = Path(__file__).parent / "public_names.txt"
# Words of the engine as it was, when several flags chose among several ways.
GONE = {
    "_loud", "_is_calm", "_is_quiet", "_only_logs", "_wants_steps", "simple", "direct", "noted",
}  # fmt: skip


def test_a_warm_mutation_with_a_handler_enters_three_files_at_most() -> None:
    machine = am.Machine({"Foo": {}}, handlers={"FooState": lambda event: None})
    for _ in range(3):
        machine.add("Foo")
        machine.remove("Foo")
    files: set[str] = set()

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        files.add(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(trace)
    try:
        machine.add("Foo")
    finally:
        sys.setprofile(before)
    assert len(files - {__file__}) <= 3
    assert {Path(file).name for file in files} >= {"machine.py", "fast_path.py"}


def test_handlers_are_called_in_one_room_and_on_the_fast_path_alone() -> None:
    calling = {
        path.stem
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "fn"
        and any(isinstance(arg, ast.Name) and arg.id == "event" for arg in node.args)
    }
    assert calling == {"calling", "fast_path"}


def identifiers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg | ast.keyword) and node.arg is not None:
            yield node.arg
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_flags_that_chose_among_ways_are_gone() -> None:
    for path in MODULES:
        assert not GONE & set(identifiers(ast.parse(path.read_text()))), path.name


def public_names() -> set[str]:
    """Every public name, and the public members of public classes."""
    found = set()
    for prefix, module in (("", am), ("testing.", testing)):
        for name in module.__all__:
            value = getattr(module, name)
            found.add(prefix + name)
            if inspect.isclass(value):
                found |= {f"{name}.{member}" for member in dir(value) if is_own(value, member)}
    return found


def is_own(cls: type, member: str) -> bool:
    owners = [part for part in cls.__mro__ if member in vars(part)]
    return not member.startswith("_") and owners[0].__module__.startswith("am_machine")


def test_no_public_name_vanishes_and_new_ones_are_written_down() -> None:
    """Users rely on them: one that goes needs a fragment of the kind breaking."""
    written = set(NAMES.read_text().split())
    assert sorted(written - public_names()) == []
    assert sorted(public_names() - written) == []


def test_public_names_carry_the_public_module() -> None:
    for name in am.__all__:
        value = getattr(am, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__module__ == "am_machine", name


def test_options_of_a_machine_are_typed_for_those_who_hand_them_on() -> None:
    own = set(inspect.signature(am.Machine).parameters)
    explicit = {"schema", "id", "handlers", "parent"}
    assert set(am.MachineOptions.__annotations__) == own - explicit
