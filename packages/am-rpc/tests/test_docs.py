"""The pages of the package say what the code does."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import am_rpc
from am_rpc import _reason
from am_rpc._options import Access, Limits, Retry, Sync
from am_rpc._reference import options_page

if TYPE_CHECKING:
    from am_rpc._option import Options

PACKAGE = Path(__file__).parent.parent


def test_the_page_of_options_is_what_the_code_says() -> None:
    assert (PACKAGE / "docs" / "options.md").read_text() == options_page()


@pytest.mark.parametrize("cls", [Sync, Retry, Limits, Access])
def test_every_option_tells_its_unit_and_meaning(cls: type[Options]) -> None:
    assert cls.declared()
    for option in cls.declared():
        assert option.doc
        if type(option.default) in (int, float):
            assert option.unit


def test_options_refuse_what_is_easily_mistaken() -> None:
    with pytest.raises(TypeError):
        Sync(allowed="Foo")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        Access(read="Foo")  # type: ignore[arg-type]
    assert Sync(mutations=True, shallow=True).shallow is False
    pauses = [Retry().connect_pause(attempt, 0.5) for attempt in (1, 2, 3, 9)]
    assert pauses == [1, 2, 4, 10]
    assert Retry().connect_pause(1, 0) == pytest.approx(0.8)
    assert [Retry().call_pause(n) for n in (1, 2, 99)] == [0.1, 0.2, 10]


def test_options_are_values_that_nobody_changes() -> None:
    assert Retry(1.5, connect_tries=2) == Retry(connect_tries=2, connect_timeout=1.5)
    assert Retry() != Retry(jitter=0.0)
    assert Retry() != Sync()
    assert len({Retry(), Retry(), Retry(jitter=0.0), Access(read={"A"})}) == 3
    assert repr(Retry(jitter=0.0)) == "Retry(jitter=0.0)"
    assert Access(read={"A"}).read == frozenset({"A"})
    retry = Retry()
    assert retry.replace(connect_tries=2) == Retry(connect_tries=2)
    assert Sync(allowed=["A"]).replace(mutations=True) == Sync(mutations=True, allowed=["A"])
    with pytest.raises(AttributeError):
        retry.jitter = 1.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        del retry.jitter
    for call in (lambda: Retry(connect_timout=1), lambda: Retry(1.0, connect_timeout=2.0)):
        with pytest.raises(TypeError, match="connect_timeout"):
            call()
    with pytest.raises(TypeError):
        Access(None, None, True, True, 5)  # type: ignore[call-arg]


def test_every_public_name_has_a_docstring_and_is_listed() -> None:
    for name in am_rpc.__all__:
        if name in ("__version__", "ClientSecrets", "Secrets"):
            continue
        item = getattr(am_rpc, name)
        assert inspect.getdoc(item), name
    public = {n for n in vars(am_rpc) if not n.startswith("_") and n[0] != "_"}
    modules = {n for n in public if inspect.ismodule(getattr(am_rpc, n))}
    assert public - modules - {"TYPE_CHECKING"} == set(am_rpc.__all__) - {"__version__"}


def test_the_error_table_names_every_exception() -> None:
    readme = (PACKAGE / "README.md").read_text()
    errors = {
        name
        for name in am_rpc.__all__
        if inspect.isclass(getattr(am_rpc, name)) and issubclass(getattr(am_rpc, name), Exception)
    }
    assert {name for name in errors - {"RpcError"} if f"`{name}`" not in readme} == set()


def test_the_page_of_failed_connections_has_every_reason() -> None:
    page = (PACKAGE / "docs" / "errors.md").read_text()
    reasons = {_reason.HINT, *_reason._ERRNO.values()}
    assert {reason for reason in reasons if reason not in page} == set()


def test_importing_the_package_loads_neither_the_blocking_facade_nor_the_repl() -> None:
    code = (
        "import sys, am_rpc; from am_rpc import *\n"
        "import am_rpc\n"
        "lazy = ('am_rpc._repl', 'am_rpc._client.blocking')\n"
        "print([m for m in sys.modules if m.startswith(lazy)])"
    )
    bare = code.replace("from am_rpc import *", "")
    run = [sys.executable, "-c"]
    done = subprocess.run([*run, bare], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert am_rpc.blocking.__module__ == am_rpc.repl.__module__ == "am_rpc"
    done = subprocess.run([*run, code], capture_output=True, text=True, check=True)
    assert "am_rpc._repl._serve" in done.stdout
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = am_rpc.nothing_like_it


def test_the_front_page_is_short() -> None:
    front = (PACKAGE / "src" / "am_rpc" / "__init__.py").read_text()
    assert len(front.splitlines()) < 80


def test_each_threat_names_tests_that_exist() -> None:
    page = (PACKAGE / "docs" / "security.md").read_text()
    table = page.split("## Threats")[1].split("\n\n")[1]
    rows = table.splitlines()[2:]
    assert len(rows) > 15
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)::(\w+)`", row)
        assert named, row
        for path, name in named:
            assert f"def {name}(" in (PACKAGE / path).read_text(), f"{path}::{name}"
