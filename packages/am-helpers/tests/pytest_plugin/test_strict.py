"""`am_strict`: every machine that a test makes is guarded, wherever it is made."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)
pytestmark = pytest.mark.slow

HEAD = """
import am_helpers as amh
import am_machine as am
import pytest
import threading
import trio

SCHEMA = {"Start": {}, "Foo": {}}


def make(id, **options):
    mach = am.Machine(SCHEMA, id=id, **options)
    mach.log_traceback = False
    return mach
"""


def run(pytester: pytest.Pytester, body: str, *args: str, strict: bool = True) -> pytest.RunResult:
    pytester.makeini(f"[pytest]\nam_strict = {str(strict).lower()}\n")
    pytester.makepyfile(HEAD + body)
    # Without the summary, which tells each fault again: in a line, or whole where CI is set.
    plugins = ("-p", "am_helpers_pytest", "-p", "no:cacheprovider", "-r", "N")
    return pytester.runpytest_inprocess(*plugins, *args)


ERROR = """

def test_it():
    make("program").add_err(OSError("nobody looked"))
"""


def test_it_is_off_unless_asked_for(pytester: pytest.Pytester) -> None:
    run(pytester, ERROR, strict=False).assert_outcomes(passed=1)
    pytester.makeini("[pytest]\n")
    plugins = ("-p", "am_helpers_pytest", "-p", "no:cacheprovider")
    pytester.runpytest_inprocess(*plugins).assert_outcomes(passed=1)


def test_an_error_that_nobody_asserted_fails_whoever_made_the_machine(
    pytester: pytest.Pytester,
) -> None:
    result = run(pytester, ERROR)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*program: an error that nobody asserted*", "*nobody looked*"])


def test_an_error_that_was_asserted_is_well(pytester: pytest.Pytester) -> None:
    body = """

def test_it():
    mach = make("m")
    mach.add_err(OSError("seen"))
    amh.assert_err(mach, OSError)
    mach.remove("Exception")
"""
    run(pytester, body).assert_outcomes(passed=1)


def test_an_error_that_another_one_replaced_or_that_is_over_is_told(
    pytester: pytest.Pytester,
) -> None:
    body = """

def test_replaced():
    mach = make("m1")
    mach.add_err(OSError("the first one"))
    mach.add_err(LookupError("the second one"))
    amh.assert_err(mach, LookupError)


def test_over():
    mach = make("m2")
    mach.add_err(OSError("gone"))
    mach.remove("Exception")
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=2, errors=2)
    result.stdout.fnmatch_lines(["*m1: an error that nobody asserted*", "*the first one*"])
    result.stdout.fnmatch_lines(["*m2: an error that nobody asserted*", "*gone*"])
    assert result.stdout.str().count("an error that nobody asserted") == 2


def test_an_error_of_a_submachine_is_told_once_and_of_it(pytester: pytest.Pytester) -> None:
    body = """

def test_unseen():
    child = make("child", parent=make("parent"))
    child.add_err(OSError("below"))


def test_seen():
    child = make("child", parent=make("parent"))
    child.add_err(OSError("below"))
    amh.assert_err(child)
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=2, errors=1)
    assert result.stdout.str().count("an error that nobody asserted") == 1
    result.stdout.fnmatch_lines(["*child: an error that nobody asserted*"])


def test_a_machine_left_open_is_told(pytester: pytest.Pytester) -> None:
    body = """

def test_it():
    async def main():
        await make("open").__aenter__()
        raise KeyError("the body never gets to __aexit__")

    with pytest.raises(BaseException):
        trio.run(main)
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*open: opened and not left*"])


def test_machines_are_disposed_and_one_that_cannot_be_is_told(pytester: pytest.Pytester) -> None:
    body = """
made = []


class Endless(am.Machine):
    def dispose(self):
        raise LookupError("cannot end")


def test_first():
    made.append(make("one"))
    Endless(SCHEMA, id="bad")
    made.append(make("two"))


def test_second():
    assert all(mach.disposed for mach in made)
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*bad: dispose raised LookupError: cannot end*"])


def test_machines_of_longer_lives_are_let_alone(pytester: pytest.Pytester) -> None:
    body = """

@pytest.fixture(scope="module")
def shared():
    mach = make("shared")
    yield mach
    mach.dispose()


def test_first(shared):
    shared.add_err(OSError("x"))


def test_second(shared):
    assert not shared.disposed
"""
    run(pytester, body).assert_outcomes(passed=2)


def test_machines_of_packages_and_replicas_are_let_alone(pytester: pytest.Pytester) -> None:
    body = """

class Replica(am.BaseMachine):
    is_local = False


def test_it():
    make("inner", tags=["am:inner"]).add_err(OSError("x"))
    replica = Replica({"Foo": {}})
    replica.err = OSError("of the source")
    replica.advance([(0, 1)])
"""
    run(pytester, body).assert_outcomes(passed=1)


def test_what_the_factory_makes_is_told_once(pytester: pytest.Pytester) -> None:
    body = """

def test_it(am_machine_factory):
    mach = am_machine_factory(SCHEMA, id="made")
    mach.log_traceback = False
    mach.add_err(OSError("x"))
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("an error that nobody asserted") == 1


def test_machines_of_other_threads_are_watched_and_left_to_them(pytester: pytest.Pytester) -> None:
    body = """

def test_it():
    def work():
        make("threaded").add_err(OSError("over there"))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""
    result = run(pytester, body)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*threaded: an error that nobody asserted*"])
    assert "dispose raised" not in result.stdout.str()


def test_async_tests_are_guarded_too(pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_trio")
    body = """

@pytest.mark.trio
async def test_it():
    def fail():
        raise OSError("in a task")

    async def task():
        fail()

    async with make("async") as mach:
        mach.fork(task)
        await mach.when_err()


@pytest.mark.trio
async def test_well():
    async with make("well") as mach:
        mach.add("Start")
"""
    result = run(pytester, body, "-p", "pytest_trio.plugin")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["*async: an error that nobody asserted*", "*in a task*"])
