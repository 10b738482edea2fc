"""The public surface: what is promised is there, and what is there is written down."""

from __future__ import annotations

import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import am_telemetry
from am_telemetry import dbg, testing
from am_telemetry._bind import SIGNALS
from am_telemetry._setup import from_env

NAMES = Path(__file__).parent / "public_names.txt"
MODULES = {"": am_telemetry, "dbg.": dbg, "testing.": testing}


def public_names() -> set[str]:
    """Every public name, and the public members of public classes."""
    found = set()
    for prefix, module in MODULES.items():
        for name in module.__all__:
            value = getattr(module, name)
            found.add(prefix + name)
            if inspect.isclass(value):
                found |= {f"{prefix}{name}.{one}" for one in dir(value) if is_own(value, one)}
    return found


def is_own(cls: type, member: str) -> bool:
    owners = [part for part in cls.__mro__ if member in vars(part)]
    return not member.startswith("_") and owners[0].__module__.startswith("am_telemetry")


def test_no_public_name_vanishes_and_new_ones_are_written_down() -> None:
    """Users rely on them: one that goes needs a fragment of the kind breaking."""
    written = set(NAMES.read_text().split())
    assert sorted(written - public_names()) == []
    assert sorted(public_names() - written) == []


@pytest.mark.parametrize("module", MODULES.values(), ids=lambda one: one.__name__)
def test_public_names_carry_a_public_module(module: object) -> None:
    for name in module.__all__:  # type: ignore[attr-defined]
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert "._" not in value.__module__, name


def test_every_module_but_the_public_ones_is_private() -> None:
    modules = {one.name for one in pkgutil.iter_modules(am_telemetry.__path__)}
    assert {name for name in modules if not name.startswith("_")} == {"dbg", "testing"}


def test_messages_and_errors_can_be_pickled() -> None:
    for value in (
        dbg.Ack(5),
        dbg.Tx(b"12345678", 1, 0, 1, (), (), 1),
        dbg.StreamStats(),
        am_telemetry.MissingExtraError("dbg", "the stream"),
    ):
        again = pickle.loads(pickle.dumps(value))
        assert type(again) is type(value)
        assert str(again) == str(value)


def imported_by(code: str, *packages: str) -> str:
    """The modules of packages that a program has imported."""
    code = (
        f"import sys\n{code}\nprint(*sorted(m for m in sys.modules "
        f"if f'{{m}}.'.startswith(tuple(p + '.' for p in {packages!r}))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_it_pulls_in_neither_opentelemetry_nor_codec_nor_other_layers() -> None:
    others = ("am_helpers", "am_rpc", "am_node", "msgpack", "prometheus_client", "opentelemetry")
    assert imported_by("import am_telemetry", *others) == ""
    sdks = ("opentelemetry.sdk", "opentelemetry.exporter", "prometheus_client")
    assert imported_by("from am_telemetry import *", *sdks) == ""


def test_a_machine_that_only_a_debugger_hears_of_needs_no_opentelemetry() -> None:
    code = (
        "import os; os.environ['AM_DBG_ADDR'] = 'unix:/nowhere/s'\n"
        "import am_machine as am, am_telemetry\n"
        "am_telemetry.bind_env(am.Machine({'A': {}}))"
    )
    assert imported_by(code, "opentelemetry") == ""
    assert "am_telemetry._dbg.exporter" in imported_by(code, "am_telemetry")


def test_what_is_loaded_when_asked_for_carries_the_public_module_as_all_else() -> None:
    code = (
        "import am_telemetry; from am_telemetry._metrics import Metrics\n"
        "assert am_telemetry.TraceTracer.__module__ == Metrics.__module__ == 'am_telemetry'\n"
        "try: am_telemetry.nothing\n"
        "except AttributeError as exc: assert 'nothing' in str(exc)\n"
        "else: raise AssertionError"
    )
    assert "am_telemetry._metrics" in imported_by(code, "am_telemetry")


def test_signals_are_bound_wherever_any_switch_asks_for_one() -> None:
    read = (from_env.TRACE, from_env.METRICS, from_env.LOGS)
    assert (*read, from_env.PROM_ADDR, from_env.PROM_PUSH_URL) == SIGNALS


def test_the_package_is_typed_and_versioned() -> None:
    folder = Path(am_telemetry.__file__).parent
    assert (folder / "py.typed").is_file()
    assert am_telemetry.__version__.count(".") == 2


@pytest.mark.parametrize("name", ["dbg", "testing"])
def test_a_part_whose_extra_is_missing_says_how_to_get_it(name: str) -> None:
    code = (
        "import sys; sys.modules['msgpack'] = None\n"
        "import importlib.util as u; find = u.find_spec\n"
        "u.find_spec = lambda n, *a: None if n == 'msgpack' else find(n, *a)\n"
        f"import am_telemetry\ntry:\n    import am_telemetry.{name}\n"
        "except am_telemetry.MissingExtraError as exc: print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'python -m pip install "am-telemetry[dbg]"' in done.stdout


def test_public_modules_import_by_themselves() -> None:
    for name in ("am_telemetry", "am_telemetry.dbg", "am_telemetry.testing"):
        assert importlib.import_module(name).__doc__
