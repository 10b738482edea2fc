"""Acceptance 19: the plugin, run on small test files."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

import am_helpers as amh

pytest_plugins = ("pytester",)
pytestmark = pytest.mark.slow

PLUGIN = ("-p", "am_helpers_pytest")

HEAD = """
import am_helpers as amh
import am_machine as am
import pytest

SCHEMA = {"Foo": {}, "Bar": {"require": ["Foo"]}}


@pytest.fixture
def mach(am_machine_factory):
    mach = am_machine_factory(SCHEMA, id="m1")
    mach.log_traceback = False
    mach.add("Foo")
    return mach
"""

# Assertion, what makes it pass, what makes it fail.
CASES = {
    "assert_is": ('amh.assert_is(mach, "Foo")', 'amh.assert_is(mach, "Foo", "Bar")'),
    "assert_not": ('amh.assert_not(mach, "Bar")', 'amh.assert_not(mach, "Bar", "Foo")'),
    "assert_any": (
        'amh.assert_any(mach, "Bar", ["Foo"])',
        'amh.assert_any(mach, "Bar", ["Foo", "Bar"])',
    ),
    "assert_ticks": ("amh.assert_ticks(mach, Foo=1, Bar=0)", "amh.assert_ticks(mach, Foo=3)"),
    "assert_time": (
        'amh.assert_time(mach, [1, 0, 0]); amh.assert_time(mach, [0], "Bar")',
        "amh.assert_time(mach, [1, 1, 0])",
    ),
    "assert_err": (
        "mach.add_err(OSError('x')); amh.assert_err(mach, OSError); amh.assert_err(mach)",
        "mach.add_err(OSError('x')); amh.assert_err(mach, ValueError)",
    ),
    "assert_no_err_now": (
        "mach.add_err(OSError('x')); amh.assert_err(mach); mach.remove('Exception');"
        " amh.assert_no_err_now(mach)",
        "mach.add_err(OSError('x')); amh.assert_no_err_now(mach)",
    ),
    "assert_no_err_ever": (
        "amh.assert_no_err_ever(mach)",
        "mach.add_err(OSError('x')); amh.assert_err(mach); mach.remove('Exception');"
        " amh.assert_no_err_ever(mach)",
    ),
    "assert_no_err_queued": (
        "amh.assert_no_err_queued(mach)",
        "mach.catch_exceptions = False;"
        " mach.bind({'BarState': lambda e: (e.add_err(OSError('x')),"
        " amh.assert_no_err_queued(e.machine))}); mach.add('Bar')",
    ),
}


def run(pytester: pytest.Pytester, body: str, *args: str) -> pytest.RunResult:
    pytester.makepyfile(HEAD + body)
    return pytester.runpytest_subprocess(*PLUGIN, "-p", "no:cacheprovider", *args, timeout=120)


@pytest.fixture(autouse=True)
def no_other_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that happen to be installed take seconds to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def as_test(statement: str) -> str:
    return f"\n\ndef test_it(mach):\n    {statement}\n"


@pytest.mark.parametrize("case", CASES)
def test_acceptance_19_passing_and_failing(pytester: pytest.Pytester, case: str) -> None:
    passing, failing = CASES[case]
    result = run(pytester, as_test(passing) + f"\n\ndef test_bad(mach):\n    {failing}\n")
    counts = result.parseoutcomes()
    assert (counts["passed"], counts["failed"]) == (1, 1)
    text = result.stdout.str()
    assert "expected" in text
    assert "(Foo:1" in text
    assert "last log lines:" in text
    assert "m1 [state] +Foo" in text
    assert "am_helpers/testing.py" not in text, "the assertion's own frames are hidden"


def test_acceptance_19_a_failure_shows_the_error_and_the_queue(pytester: pytest.Pytester) -> None:
    body = """

def fail():
    raise OSError("disk")


def test_it(mach):
    mach.bind({"BarState": lambda e: fail()})
    mach.add("Bar")
    amh.assert_not(mach, "Exception")
"""
    text = run(pytester, body).stdout.str()
    assert "in fail" in text
    assert "OSError: disk" in text
    assert "queue: empty" in text
    assert "[handler:0] BarState" in text


def test_acceptance_19_unclaimed_errors_fail_at_the_end(pytester: pytest.Pytester) -> None:
    result = run(pytester, as_test("mach.add_err(OSError('nobody looked'))"))
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*m1: an error that nobody asserted*", "*nobody looked*"])


def test_acceptance_19_machines_left_open_fail_at_the_end(pytester: pytest.Pytester) -> None:
    body = """
import trio


def test_left_open(mach):
    async def main():
        manager = mach.__aenter__()
        await manager
        raise KeyError("the body never gets to __aexit__")

    # Closing the loop under an open nursery is an error of trio's own; the machine stays open.
    with pytest.raises(BaseException):
        trio.run(main)


def test_left_well(mach):
    async def main():
        async with mach:
            amh.assert_is(mach, "Foo")

    trio.run(main)
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*m1: opened and not left*"])


def test_acceptance_19_history_and_handler_order(pytester: pytest.Pytester) -> None:
    body = """

def test_it(mach, am_history, am_handler_order):
    history = am_history(mach, amh.HistoryConfig(tracked=("Foo",)))
    mach.bind_tracer(am_handler_order)
    mach.bind({"BarEnter": lambda e: None, "BarState": lambda e: None, "FooEnd": lambda e: None})
    mach.add("Bar")
    mach.set()
    assert am_handler_order.names == ["BarEnter", "BarState", "FooEnd"]
    assert [r.tracked_time for r in history.records] == [(1,), (2,)]


def test_child(am_machine_factory):
    parent = am_machine_factory(SCHEMA)
    child = am_machine_factory(SCHEMA, parent=parent)
    amh.bind(parent, child, "Foo")
    parent.add("Foo")
    amh.assert_is(child, "Foo")
"""
    run(pytester, body).assert_outcomes(passed=2)


@pytest.mark.parametrize("level", ["ops", "3"])
def test_acceptance_19_logs_reach_caplog(pytester: pytest.Pytester, level: str) -> None:
    body = """

def test_it(mach, caplog):
    mach.add("Bar")
    assert "[queue:add] Bar" in caplog.text
"""
    run(pytester, body, f"--am-log={level}").assert_outcomes(passed=1)
    result = run(pytester, body, "--am-log=loud")
    assert result.ret != 0


def test_acceptance_19_debugging_by_environment(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """
import os


def test_it():
    assert os.environ.get("AM_DEBUG") == os.environ["EXPECTED"]
"""
    for value, expected in (("1", "1"), ("junk", "")):
        monkeypatch.setenv("AM_DEBUG", "")
        monkeypatch.setenv("AM_TEST_DEBUG", value)
        monkeypatch.setenv("EXPECTED", expected)
        run(pytester, body).assert_outcomes(passed=1)


TRIO_TEST = """

@pytest.mark.{mark}
async def test_it(am_machine_factory):
    import trio

    async with am_machine_factory(SCHEMA) as mach:
        mach.fork(trio.sleep_forever)
        mach.add("Foo")
        await amh.wait_for_all(mach.when("Foo"), timeout=5)
        amh.assert_is(mach, "Foo")
"""


def test_acceptance_19_async_tests_with_pytest_trio(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_trio")
    run(pytester, TRIO_TEST.format(mark="trio"), "-p", "pytest_trio.plugin").assert_outcomes(
        passed=1
    )


def test_acceptance_19_async_tests_with_anyio(pytester: pytest.Pytester) -> None:
    pytest.importorskip("anyio")
    fixture = "\n\n@pytest.fixture\ndef anyio_backend():\n    return 'trio'\n"
    body = fixture + TRIO_TEST.format(mark="anyio")
    run(pytester, body, "-p", "anyio.pytest_plugin").assert_outcomes(passed=1)


def test_the_plugin_imports_neither_layer_before_it_is_used() -> None:
    code = (
        "import am_helpers_pytest, sys; "
        "assert not {'am_machine', 'am_helpers', 'trio'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env={**os.environ})


def test_assertions_work_without_the_plugin(machine: Any) -> None:
    mach = machine({"Foo": {}})
    mach.add_err(OSError("x"))
    with pytest.raises(AssertionError, match="expected active: Foo"):
        amh.assert_is(mach, "Foo")
    with pytest.raises(AssertionError, match="expected an error"):
        amh.assert_err(machine({"Foo": {}}))
