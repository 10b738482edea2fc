"""Handler timeouts, on a clock that only handlers move: a slow handler is reported, not undone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

ERRORS = {"Exception": {"multi": True}, "ErrHandlerTimeout": {"require": ["Exception"]}}


class FakeClock:
    """A monotonic clock that stands still but for `advance`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds

    def slow(self, seconds: float, answer: Any = None) -> Callable[[am.Event], Any]:
        """A handler that takes a while, then answers."""

        def handle(event: am.Event) -> Any:
            if "Exception" not in event.transition.called:
                self.advance(seconds)
            return answer

        return handle


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeClock:
    fake = FakeClock()
    for part in ("_engine.calling", "_engine.fast_path"):
        monkeypatch.setattr(f"am_machine.{part}.perf_counter", fake)
    return fake


def machine_of(names: str, *, reporting: bool = True, **options: Any) -> am.Machine:
    schema: dict[str, Any] = {name: {} for name in names.split()}
    return am.Machine(schema | (ERRORS if reporting else {}), **options)


@pytest.mark.parametrize("reporting", [True, False])
@pytest.mark.parametrize("name", ["AExit", "BEnter", "AB", "CC", "AnyEnter", "AEnd", "BState"])
@pytest.mark.parametrize("traced", [False, True])
def test_the_transition_stands_and_the_error_states_follow(
    clock: FakeClock, recorder: Any, name: str, reporting: bool, traced: bool
) -> None:
    machine = machine_of("A B C", reporting=reporting, tracers=[recorder] if traced else [])
    machine.add("A", "C")
    machine.bind({name: clock.slow(1.5)})
    assert machine.set("B", "C") is am.EXECUTED
    errors = ("Exception", "ErrHandlerTimeout") if reporting else ("Exception",)
    assert machine.active == ("B", "C", *errors)
    assert machine.tick("A") == 2
    error = machine.err
    assert isinstance(error, am.HandlerTimeoutError)
    assert (error.handler, error.binding) == (name, "dict")
    assert error.elapsed == pytest.approx(1.5)


def test_the_error_mutation_is_prepended_with_the_error(clock: FakeClock, recorder: Any) -> None:
    machine = machine_of("A B", tracers=[recorder])

    def handle(event: am.Event) -> None:
        event.add("B")
        clock.advance(2)

    machine.bind({"AState": handle})
    assert machine.add("A") is am.EXECUTED
    assert [tx.called for tx in recorder.transitions] == [
        ("A",), ("ErrHandlerTimeout", "Exception"), ("B",),
    ]  # fmt: skip
    assert [tx.accepted for tx in recorder.transitions] == [True, True, True]
    assert recorder.transitions[1].mutation.args["err"] is machine.err
    assert recorder.transitions[1].mutation.queue_tick == 0


def test_the_remaining_handlers_run_as_if_nothing_happened(clock: FakeClock) -> None:
    machine, calls = machine_of("A"), list[str]()
    machine.bind({"AEnter": clock.slow(2)})
    machine.bind({n: lambda e: calls.append(e.name) for n in ("AEnter", "AState")})
    machine.add("A")
    assert calls == ["AEnter", "AState"]


def test_the_vote_of_a_slow_handler_counts(clock: FakeClock) -> None:
    machine = machine_of("A", handlers={"AEnter": clock.slow(2, answer=False)})
    assert machine.add("A") is am.CANCELED
    assert machine.active == ("Exception", "ErrHandlerTimeout")
    assert machine.tick("A") == 0


def test_each_call_is_timed_by_itself(clock: FakeClock) -> None:
    machine = machine_of("A")
    for _ in range(3):
        machine.bind(dict.fromkeys(["AEnter", "AState", "AnyState"], clock.slow(0.9)))
    assert machine.add("A") is am.EXECUTED
    assert machine.err is None


def test_a_second_slow_handler_is_reported_too(clock: FakeClock, recorder: Any) -> None:
    machine = machine_of("A", tracers=[recorder])
    machine.bind(dict.fromkeys(["AEnter", "AState"], clock.slow(2)))
    machine.add("A")
    called = [tx.called for tx in recorder.transitions]
    assert called == [
        ("A",),
        ("ErrHandlerTimeout", "Exception"),
        ("ErrHandlerTimeout", "Exception"),
    ]
    handlers = [tx.mutation.args["err"].handler for tx in recorder.transitions[1:]]
    assert handlers == ["AState", "AEnter"], "prepends run last in, first out"


def test_exactly_the_timeout_is_in_time(clock: FakeClock) -> None:
    machine = machine_of("A", handler_timeout=0.5, handlers={"AState": clock.slow(0.5)})
    machine.add("A")
    assert machine.err is None
    machine = machine_of("A", handler_timeout=0.5, handlers={"AState": clock.slow(0.625)})
    machine.add("A")
    assert isinstance(machine.err, am.HandlerTimeoutError)


@pytest.mark.parametrize("off", [0, None])
def test_the_timeout_can_be_switched_off(clock: FakeClock, off: float | None) -> None:
    machine = machine_of("A", handler_timeout=off, handlers={"AState": clock.slow(10_000)})
    machine.add("A")
    assert machine.err is None


def test_the_timeout_can_be_changed_later(clock: FakeClock) -> None:
    machine = machine_of("A", handlers={"AState": clock.slow(5)})
    assert machine.handler_timeout == 1.0
    machine.handler_timeout = 600
    machine.add("A")
    assert machine.err is None
    machine.handler_timeout = 0.1
    machine.remove("A")
    machine.add("A")
    assert machine.is_err


def test_only_the_raise_of_a_slow_handler_counts(clock: FakeClock, recorder: Any) -> None:
    def handle(event: am.Event) -> None:
        clock.advance(5)
        raise ValueError("boom")

    machine = machine_of("A", tracers=[recorder], handlers={"AState": handle})
    assert machine.add("A") is am.CANCELED
    assert machine.active == ("Exception",)
    assert str(machine.err) == "boom"
    assert len(recorder.transitions) == 2


def test_a_slow_handler_of_an_error_does_not_nest(
    clock: FakeClock, recorder: Any, log: Any
) -> None:
    machine = machine_of("A", tracers=[recorder], log_level=am.LogLevel.CHANGES)
    machine.bind({"ExceptionState": lambda e: clock.advance(5)})
    error = RuntimeError("first")
    assert machine.add_err(error) is am.EXECUTED
    assert machine.active == ("Exception",)
    assert machine.err is error
    assert len(recorder.transitions) == 1
    assert log.starting("[handler:timeout]") == ["[handler:timeout] ExceptionState from dict"]


def test_a_slow_check_is_reported(clock: FakeClock) -> None:
    machine = machine_of("A", handlers={"AEnter": clock.slow(2)})
    assert machine.can_add("A") is am.EXECUTED
    assert machine.active == ("Exception", "ErrHandlerTimeout")


def test_log_lines_of_slow_handlers(clock: FakeClock, log: Any) -> None:
    machine = machine_of("A", log_level=am.LogLevel.OPS)
    machine.bind({"AEnter": clock.slow(0.125), "AState": clock.slow(1.5)}, name="work")
    machine.bind({"AnyEnter": clock.slow(0.0625)})
    machine.add("A")
    assert log.starting("[handler:slow]") == [
        "[handler:slow] AEnter 125",
        "[handler:slow] AState 1500",
    ]
    assert log.starting("[handler:timeout]") == ["[handler:timeout] AState from work"]


def test_time_in_a_machine_that_a_handler_mutates_is_its_own_time(clock: FakeClock) -> None:
    inner = machine_of("A", handlers=dict.fromkeys(["AEnter", "AState"], clock.slow(0.75)))
    outer = machine_of("A", handlers={"AState": lambda e: inner.add("A")})
    assert outer.add("A") is am.EXECUTED
    assert inner.err is None
    assert isinstance(outer.err, am.HandlerTimeoutError)


@pytest.mark.trio
async def test_async_finals_are_not_timed(clock: FakeClock) -> None:
    async def work(event: am.Event) -> None:
        clock.advance(10_000)
        event.add("B")

    async with machine_of("A B", handlers={"AState": work}) as machine:
        machine.add("A")
        await machine.when("B")
        assert machine.err is None


def test_no_error_mutation_once_the_machine_is_disposing(clock: FakeClock) -> None:
    machine = machine_of("A")

    def handle(event: am.Event) -> None:
        machine.dispose()
        clock.advance(5)

    machine.bind({"AState": handle})
    machine.add("A")
    assert machine.disposed
    assert not machine.is_err
