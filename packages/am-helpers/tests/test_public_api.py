"""The public surface: what is named exists, is documented, and loads as late as it can."""

from __future__ import annotations

import ast
import inspect
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import am_helpers as amh
import am_machine as am

EXTRAS = {"Graph": "networkx", "Request": "tenacity"}


@pytest.mark.parametrize("name", amh.__all__)
def test_each_public_name_exists_and_is_documented(name: str) -> None:
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    value = getattr(amh, name)
    assert inspect.getdoc(value)
    assert name in dir(amh)


@pytest.mark.parametrize("name", amh.__all__)
def test_each_public_name_says_that_it_is_public(name: str) -> None:
    if name in EXTRAS:
        pytest.importorskip(EXTRAS[name])
    if name == "guest":
        return  # a module
    where = getattr(amh, name).__module__
    assert where == ("am_helpers.testing" if name.startswith("assert_") else "am_helpers")


def test_a_class_is_public_before_anybody_asks_for_it() -> None:
    code = """
import sys
import am_helpers, am_machine
history = am_helpers.MemoryHistory(am_machine.Machine({"Foo": {}}))
assert "MachineRecord" in vars(am_helpers)
assert type(history.machine_record).__module__ == "am_helpers"
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_errors_are_pickled_by_their_public_names() -> None:
    pickled = pickle.dumps(amh.QueryError("what"), protocol=0)
    assert b"am_helpers\n" in pickled
    assert isinstance(pickle.loads(pickled), amh.QueryError)
    assert amh.guest.HostClosedError.__module__ == "am_helpers.guest"


def test_the_front_page_shows_type_checkers_what_is_there_at_run_time() -> None:
    page = ast.parse(Path(amh.__file__).read_text())
    named = {
        alias.name
        for node in ast.walk(page)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert named - {"load"} == set(amh.__all__)


def test_names_that_are_not_there_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="nothing_like_it"):
        amh.nothing_like_it  # noqa: B018


def test_importing_loads_am_machine_only() -> None:
    code = """
import sys
import am_machine
before = set(sys.modules)
import am_helpers
new = {name.partition(".")[0] for name in set(sys.modules) - before}
third = new - set(sys.stdlib_module_names) - {"am_helpers"}
assert not third, third
assert not {"sqlite3", "networkx", "tenacity", "importlib.metadata"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(("name", "module"), EXTRAS.items())
def test_a_part_without_its_extra_names_it(name: str, module: str) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
import am_helpers
try:
    am_helpers.{name}
except ImportError as exc:
    assert "am-helpers[" in str(exc), exc
else:
    raise SystemExit("no ImportError")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_state_loop_works_without_an_event_loop() -> None:
    mach = am.Machine({"Foo": {}})
    mach.add("Foo")
    assert amh.StateLoop(mach, "Foo").ok()
