"""The plugin where tests go wrong in odd ways, and where Python or pytest are set up oddly."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

pytest_plugins = ("pytester",)
pytestmark = pytest.mark.slow

PLUGIN = ("-p", "am_helpers_pytest")
HEAD = """
import am_helpers as amh
import am_machine as am
import pytest

SCHEMA = {"Start": {}, "Foo": {"multi": True}}


@pytest.fixture
def make(am_machine_factory):
    def make(id, **options):
        mach = am_machine_factory(SCHEMA, id=id, **options)
        mach.log_traceback = False
        return mach

    return make
"""


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that happen to be installed take seconds to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, body: str, *args: str) -> Any:
    pytester.makepyfile(HEAD + body)
    return pytester.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", *args, timeout=120)


def test_a_dispose_that_raises_is_told_and_the_other_machines_are_disposed(
    pytester: pytest.Pytester,
) -> None:
    body = """
made = []


def test_first(make):
    broken = make("broken", handlers={"StartEnd": lambda e: 1 / 0}, catch_exceptions=False)
    broken.add("Start")
    errs = make("errs")
    errs.add_err(OSError("nobody looked"))
    made.append(make("last"))


class Broken(am.Machine):
    def dispose(self):
        raise LookupError("cannot end")


def test_second(am_machine_factory, monkeypatch):
    monkeypatch.setattr(am, "Machine", Broken)
    am_machine_factory(SCHEMA, id="cannot")
    monkeypatch.undo()
    made.append(am_machine_factory(SCHEMA, id="later"))
    erring = am_machine_factory(SCHEMA, id="erring")
    erring.log_traceback = False
    erring.add_err(OSError("seen by nobody"))


def test_third():
    assert all(mach.disposed for mach in made)
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=3, errors=2)
    result.stdout.fnmatch_lines(["*errs: an error that nobody asserted*"])
    result.stdout.fnmatch_lines(["*cannot: dispose raised LookupError*cannot end*"])
    result.stdout.fnmatch_lines(["*erring: an error that nobody asserted*", "*seen by nobody*"])


def test_an_error_that_another_one_replaced_is_still_unclaimed(pytester: pytest.Pytester) -> None:
    body = """
def fail():
    raise OSError("the first one")


def test_replaced(make):
    mach = make("m1", handlers={"StartState": lambda e: fail()})
    mach.add("Start")
    mach.add_err(LookupError("the second one"))
    amh.assert_err(mach, LookupError)


def test_both_claimed(make):
    mach = make("m2")
    mach.add_err(OSError("one"))
    amh.assert_err(mach, OSError)
    mach.add_err(LookupError("two"))
    amh.assert_err(mach, LookupError)

"""
    result = run(pytester, body)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*m1: an error that nobody asserted*", "*the first one*"])


def test_importing_assertions_in_a_conftest_warns_of_nothing(pytester: pytest.Pytester) -> None:
    pytester.makeconftest("from am_helpers import assert_is\nimport am_helpers.testing\n")
    pytester.makepyfile(HEAD + "\n\ndef test_it(make):\n    amh.assert_not(make('m'), 'Foo')\n")
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *PLUGIN]
    done = subprocess.run(
        command, cwd=pytester.path, capture_output=True, text=True, check=False, timeout=60
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


FAILING = """
import am_helpers as amh
import am_machine as am

mach = am.Machine({"Foo": {}})
mach.log_traceback = False
calls = [
    lambda: amh.assert_is(mach, "Foo"),
    lambda: amh.assert_not(mach, "Exception"),
    lambda: amh.assert_any(mach, "Foo"),
    lambda: amh.assert_ticks(mach, Foo=3),
    lambda: amh.assert_time(mach, [5], "Foo"),
    lambda: amh.assert_err(mach, LookupError),
    lambda: amh.assert_no_err_now(mach),
    lambda: amh.assert_no_err_ever(mach),
]
mach.add_err(OSError("x"))
for call in calls:
    try:
        call()
    except AssertionError as exc:
        if "expected" not in str(exc):
            raise SystemExit(f"no story: {exc}")
    else:
        raise SystemExit("a failing assertion passed")
"""


@pytest.mark.parametrize("flags", [(), ("-O",), ("-OO",)])
def test_assertions_fail_under_every_optimisation(flags: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, *flags, "-c", FAILING],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_fixtures_have_types_that_tests_can_name() -> None:
    from am_helpers import testing

    for name in ("MachineFactory", "HistoryFactory", "HandlerOrder"):
        assert name in testing.__all__
        assert getattr(testing, name).__doc__
