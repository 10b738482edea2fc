"""No error is silent: whatever raises is logged with its traceback, whatever the log level is."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am

Flat = Callable[..., am.Machine]
LEVELS = [am.LogLevel.NOTHING, am.LogLevel.EVERYTHING]


def boom(*args: object) -> Any:
    raise LookupError("boom")


async def boom_later(*args: object) -> None:
    raise LookupError("boom")


def reports(log: Any) -> list[tuple[str, bool]]:
    """Level and whether there is a traceback, of each record that tells of `boom`."""
    return [
        (record.levelname, isinstance((record.exc_info or (None, None))[1], LookupError))
        for record in log.records
        if "boom" in record.getMessage() and record.levelno >= logging.ERROR
    ]


# -- where an error may come from -----------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["AEnter", "BExit", "BA", "CC", "AnyEnter", "AState", "BEnd"])
def test_an_exception_of_a_handler_is_logged(
    flat: Flat, log: Any, name: str, level: am.LogLevel
) -> None:
    m = flat(log_level=level)
    m.add("B", "C")
    m.bind({name: lambda e: boom() if "A" in e.transition.called else None})
    m.set("A", "C")
    assert reports(log) == [("ERROR", True)]


@pytest.mark.parametrize("level", LEVELS)
def test_an_exception_of_a_predicate_is_logged(flat: Flat, log: Any, level: am.LogLevel) -> None:
    m = flat(log_level=level)
    wait = m.when_query(lambda clock: clock["A"] and boom())
    m.add("A")
    assert wait.done
    assert m.is_err
    assert reports(log) == [("ERROR", True)]


@pytest.mark.parametrize("level", LEVELS)
def test_an_exception_of_a_callback_of_dispose_is_logged(
    flat: Flat, log: Any, level: am.LogLevel
) -> None:
    m = flat(log_level=level)
    m.on_dispose(boom)
    m.dispose()
    assert m.disposed
    assert reports(log) == [("ERROR", True)]


@pytest.mark.parametrize("level", LEVELS)
def test_an_exception_of_on_breakpoint_is_logged_and_does_not_leave_the_call(
    flat: Flat, log: Any, level: am.LogLevel
) -> None:
    m = flat(log_level=level)
    m.add_breakpoint(added=["A"])
    m.on_breakpoint = boom
    assert m.add("A") is am.EXECUTED
    assert reports(log) == [("ERROR", True)]


@pytest.mark.parametrize("level", LEVELS)
def test_add_err_is_logged(flat: Flat, log: Any, level: am.LogLevel) -> None:
    m = flat(log_level=level)
    m.add_err(LookupError("boom"))
    assert reports(log) == [("ERROR", True)]


def test_an_error_that_is_canceled_is_logged_all_the_same(flat: Flat, log: Any) -> None:
    m = flat(handlers={"ExceptionEnter": lambda e: False})
    assert m.add_err(LookupError("boom")) is am.CANCELED
    assert reports(log) == [("ERROR", True)]


def test_an_error_refused_by_a_full_queue_is_logged_all_the_same(flat: Flat, log: Any) -> None:
    m = flat(queue_limit=1)
    m.add_err(ValueError("first"))

    def fill(event: am.Event) -> None:
        event.add("B")
        assert event.add_err(LookupError("boom")) is am.CANCELED

    m.bind({"AState": fill})
    m.add("A")
    assert [level for level, _ in reports(log)] == ["ERROR"]


@pytest.mark.trio
@pytest.mark.parametrize("level", LEVELS)
async def test_an_exception_of_a_task_is_logged(flat: Flat, log: Any, level: am.LogLevel) -> None:
    async with flat(log_level=level, handlers={"AState": boom_later}) as m:
        m.add("A")
        await trio.testing.wait_all_tasks_blocked()
        assert m.is_err
    assert reports(log) == [("ERROR", True)]


@pytest.mark.trio
@pytest.mark.parametrize("level", LEVELS)
async def test_an_exception_of_a_fork_is_logged(flat: Flat, log: Any, level: am.LogLevel) -> None:
    async with flat(log_level=level) as m:
        m.fork(boom_later)
        await trio.testing.wait_all_tasks_blocked()
        assert m.is_err
    assert reports(log) == [("ERROR", True)]


@pytest.mark.trio
async def test_an_exception_of_a_task_that_cleans_up_after_the_end_is_logged(
    flat: Flat, log: Any
) -> None:
    async def work() -> None:
        try:
            await trio.sleep_forever()
        finally:
            boom()

    async with flat() as m:
        m.fork(work)
        await trio.testing.wait_all_tasks_blocked()
    assert reports(log) == [("ERROR", True)]


def test_a_handler_that_disposes_and_then_raises_is_logged(flat: Flat, log: Any) -> None:
    def end(event: am.Event) -> None:
        event.machine.dispose()
        boom()

    m = flat(handlers={"AState": end})
    m.add("A")
    assert m.disposed
    assert reports(log) == [("ERROR", True)]


@pytest.mark.parametrize("level", LEVELS)
def test_an_exception_of_a_tracer_is_logged(flat: Flat, log: Any, level: am.LogLevel) -> None:
    class Bad(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            boom()

    m = flat(log_level=level, tracers=[Bad()])
    assert m.add("A") is am.EXECUTED
    assert reports(log) == [("ERROR", True)]


# -- unless somebody handles it -------------------------------------------------------------------


def test_with_an_exception_state_handler_an_error_is_logged_for_debugging(
    flat: Flat, log: Any
) -> None:
    got: list[BaseException] = []
    m = flat(handlers={"AState": boom, "ExceptionState": lambda e: got.append(e.args["err"])})
    m.add("A")
    assert [str(err) for err in got] == ["boom"]
    assert [r.levelname for r in log.records if "boom" in r.getMessage()] == ["DEBUG"]


def test_an_error_in_a_machine_that_is_in_error_already_is_logged_too(flat: Flat, log: Any) -> None:
    m = flat()
    m.add_err(ValueError("first"))
    log.clear()
    m.add_err(LookupError("boom"))
    assert reports(log) == [("ERROR", True)]


def test_a_bug_inside_exception_state_keeps_exception_active_and_is_logged(
    flat: Flat, log: Any
) -> None:
    m = flat(handlers={"ExceptionState": boom})
    m.add_err(ValueError("first"))
    assert m.is_err
    assert str(m.err) == "first"
    assert reports(log) == [("ERROR", True)]


# -- an exception that cannot be shown ------------------------------------------------------------


class Mute(Exception):
    """Cannot be turned into text."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


def mute(*args: object) -> None:
    raise Mute


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["AEnter", "AState"])
def test_an_exception_without_text_is_recorded_with_a_placeholder(
    flat: Flat, log: Any, name: str, level: am.LogLevel
) -> None:
    m = flat(log_level=level, handlers={name: mute})
    m.log_traceback = False
    assert m.add("A") is am.CANCELED
    assert isinstance(m.err, Mute)
    (record,) = [r for r in log.records if r.levelno == logging.ERROR]
    assert "Mute" in record.getMessage()


@pytest.mark.usefixtures("log")
def test_an_exception_without_text_given_to_add_err_is_recorded(flat: Flat) -> None:
    m, error = flat(log_level=am.LogLevel.EVERYTHING), Mute()
    m.log_traceback = False
    assert m.add_err(error) is am.EXECUTED
    assert m.err is error


@pytest.mark.trio
@pytest.mark.usefixtures("log")
async def test_an_exception_without_text_in_a_task_is_recorded(flat: Flat) -> None:
    async def work() -> None:
        raise Mute

    async with flat() as m:
        m.log_traceback = False
        m.fork(work)
        await trio.testing.wait_all_tasks_blocked()
        assert isinstance(m.err, Mute)


@pytest.mark.usefixtures("log")
def test_an_exception_without_text_in_a_callback_stops_no_dispose(flat: Flat) -> None:
    m = flat()
    m.log_traceback = False
    m.on_dispose(mute)
    m.dispose()
    assert m.disposed


@pytest.mark.usefixtures("log")
def test_a_journal_tells_of_an_exception_without_text(flat: Flat) -> None:
    journal = am.Journal()
    m = flat(tracers=[journal], handlers={"AState": mute})
    m.log_traceback = False
    m.add("A")
    assert "Mute" in journal.read()[-1].args["err"]


# -- what would have to be run --------------------------------------------------------------------


class Work:
    """A generator, an async generator."""

    def AEnter(self, event: am.Event) -> Iterator[bool]:
        yield True

    async def BState(self, event: am.Event) -> AsyncIterator[None]:
        yield


@pytest.mark.parametrize("name", ["AEnter", "BState"])
def test_a_generator_is_refused_when_it_is_bound(flat: Flat, name: str) -> None:
    with pytest.raises(am.HandlerError, match=name):
        flat().bind({name: getattr(Work(), name)})


@pytest.mark.parametrize("name", ["AEnter", "AState"])
@pytest.mark.parametrize("make", [lambda e: boom_later(), lambda e: (x for x in "ab")])
def test_a_lambda_that_returns_what_has_to_be_run_is_refused_at_the_call(
    flat: Flat, log: Any, name: str, make: Callable[[am.Event], Any]
) -> None:
    m = flat(handlers={name: make})
    assert m.add("A") is am.CANCELED
    assert isinstance(m.err, am.HandlerError)
    assert name in str(m.err)


@pytest.mark.parametrize("name", ["AEnter", "AState"])
def test_a_lambda_that_returns_an_async_generator_is_refused_at_the_call(
    flat: Flat, log: Any, name: str
) -> None:
    m = flat(handlers={name: lambda e: Work().BState(e)})
    assert m.add("A") is am.CANCELED
    assert isinstance(m.err, am.HandlerError)


class bool_:
    """Stands for `numpy.bool_`, which is known by its name and module."""

    __module__ = "numpy"

    def __init__(self, value: bool) -> None:
        self.value = value

    def __bool__(self) -> bool:
        return self.value


bool_.__module__ = "numpy"


@pytest.mark.parametrize("vote", [True, False])
def test_a_numpy_bool_is_a_vote(flat: Flat, vote: bool) -> None:
    m = flat(handlers={"AEnter": lambda e: bool_(vote)})
    assert m.add("A") is (am.EXECUTED if vote else am.CANCELED)
    assert not m.is_err
