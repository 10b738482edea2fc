"""Naming a class for another process, and finding it there."""

import subprocess
import sys
import types
from collections import OrderedDict
from pathlib import Path

import pytest

import am_node


class TopLevel:
    """A class that other processes can import."""


@pytest.fixture
def worker_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "sibling_of_entry.py").write_text("VALUE = 7\n")
    path = tmp_path / "entry_in_a_file.py"
    path.write_text("from sibling_of_entry import VALUE\nclass Cls:\n    value = VALUE\n")
    yield path
    for name in ("sibling_of_entry", "entry_in_a_file"):
        sys.modules.pop(name, None)


def test_a_class_in_a_module_is_named_by_it_and_found_again() -> None:
    entry = am_node.entry_point_of(OrderedDict)
    assert entry == "collections:OrderedDict"
    assert am_node.load_entry_point(entry) is OrderedDict


def test_a_class_in_a_file_is_found_with_its_siblings(worker_file: Path) -> None:
    cls = am_node.load_entry_point(f"{worker_file}:Cls")
    assert cls.value == 7
    assert am_node.load_entry_point(f"{worker_file}:Cls") is cls


def test_a_file_named_like_a_loaded_module_does_not_replace_it(tmp_path: Path) -> None:
    (tmp_path / "collections.py").write_text("class Mine: pass\n")
    before = sys.modules["collections"]
    assert am_node.load_entry_point(f"{tmp_path / 'collections.py'}:Mine").__name__ == "Mine"
    assert sys.modules["collections"] is before
    sys.path.remove(str(tmp_path))
    del sys.modules["_am_node_entry_collections"]


def test_a_class_of_a_script_is_named_by_its_file(
    worker_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    main = types.ModuleType("__main__")
    main.__file__ = str(worker_file)
    monkeypatch.setitem(sys.modules, "__main__", main)
    cls = type("Cls", (), {"__module__": "__main__"})
    assert am_node.entry_point_of(cls) == f"{worker_file}:Cls"


def test_a_class_in_an_interactive_main_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    cls = type("Cls", (), {"__module__": "__main__"})
    with pytest.raises(ValueError, match="not a file"):
        am_node.entry_point_of(cls)


def test_a_class_inside_a_function_is_refused() -> None:
    class Local: ...

    with pytest.raises(ValueError, match="inside a function"):
        am_node.entry_point_of(Local)


@pytest.mark.parametrize(
    "entry",
    ["", "x", ":Cls", "json:", "json:1", "json:no_such", "no_such_module_x:Cls", "json:loads",
     "/nowhere/file.py:Cls", "json:a b"],
)  # fmt: skip
def test_a_bad_entry_point_is_a_clear_error(entry: str) -> None:
    with pytest.raises(am_node.EntryPointError):
        am_node.load_entry_point(entry)


def test_an_import_that_raises_tells_what(tmp_path: Path) -> None:
    path = tmp_path / "broken_entry.py"
    path.write_text("raise RuntimeError('no luck')\n")
    with pytest.raises(am_node.EntryPointError, match="RuntimeError: no luck"):
        am_node.load_entry_point(f"{path}:Cls")
    assert "broken_entry" not in sys.modules
    sys.path.remove(str(tmp_path))


UNGUARDED = """
import subprocess
import sys
import trio
import am_node

class Squarer(am_node.Worker):
    def work(self, x):
        return x * x

async def main():
    pool = am_node.Pool(min=1, max=1, warm=0)
    timing = am_node.Timing(conn_timeout=30.0)
    async with am_node.Supervisor(Squarer, pool=pool, timing=timing) as sup:
        await sup.mach.when("ErrWorker")
        print("told:", sup.mach.err, flush=True)

trio.run(main)
"""


def test_a_script_without_a_main_guard_is_told_and_starts_no_chain(tmp_path: Path) -> None:
    script = tmp_path / "unguarded.py"
    script.write_text(UNGUARDED)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True
    )
    assert 'if __name__ == "__main__":' in done.stdout
    assert done.stdout.count("told:") == 1
    assert done.stdout.count("\n") == 1


def test_a_frozen_program_needs_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(ValueError, match="frozen"):
        am_node.LocalLauncher()
    assert am_node.LocalLauncher(["my-worker"]).command == ("my-worker",)
