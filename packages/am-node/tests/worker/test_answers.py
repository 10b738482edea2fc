"""Every answer arrives: whatever work returns, raises or outlives, its caller hears of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import trio

import am_node
from am_node._wire_work import MAX_MESSAGE, error_answer, weight

pytestmark = pytest.mark.trio


class BadTextError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class Nested(Exception):
    pass


def _deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


def _loop() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


RAISED: dict[str, BaseException] = {
    "plain": ValueError("no luck"),
    "text raises": BadTextError(),
    "surrogate": ValueError("\ud800"),
    "long": ValueError("x" * 1_000_000),
    "exit": SystemExit(3),
    "interrupt": KeyboardInterrupt(),
    "generator": GeneratorExit(),
    "group": ExceptionGroup("several", [ValueError("a"), KeyError("b")]),
    "base group": BaseExceptionGroup("several", [SystemExit(1), ValueError("b")]),
}
RETURNED: dict[str, Any] = {
    "deep": _deep(5000),
    "loop": _loop(),
    "surrogate": "\ud800",
    "object": object(),
    "large int": 2**70,
    "keys": {1: 2},
    "items": list(range(70_000)),
}


class Anything(am_node.Worker):
    async def work(self, kind: str, name: str) -> Any:
        if kind == "raise":
            raise RAISED[name].with_traceback(None)
        return RETURNED[name] if kind == "return" else name


class Inline(Anything):
    thread = False

    def work(self, kind: str, name: str) -> Any:  # type: ignore[override]
        if kind == "raise":
            raise RAISED[name].with_traceback(None)
        return RETURNED[name] if kind == "return" else name


class Threaded(Inline):
    thread = True


class Queued(Anything):
    queue = 8


FORMS = (Anything, Inline, Threaded, Queued)


@pytest.mark.parametrize("cls", FORMS)
@pytest.mark.parametrize(
    ("kind", "name"), [("raise", name) for name in RAISED] + [("return", name) for name in RETURNED]
)
async def test_whatever_work_does_is_an_answer_and_the_worker_serves_on(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker], kind: str, name: str
) -> None:
    async with pooled(cls) as sup, am_node.Client("c", cls, supers=[sup.addr]) as client:
        with trio.fail_after(5):
            with pytest.raises(am_node.WorkError) as caught:
                await client.work(kind=kind, name=name, attempts=1)
        assert len(caught.value.message) <= MAX_MESSAGE + 10
        with trio.fail_after(5):
            assert await client.work(kind="echo", name="on") == "on"
        (info,) = await sup.workers()
        assert info.errors == 0
        assert sup.mach.tick("WorkerKilled") == 0


@pytest.mark.parametrize("cls", FORMS)
async def test_the_traceback_of_the_work_is_a_note_and_begins_with_the_work(
    pooled: Any, clock: trio.abc.Clock, cls: type[am_node.Worker]
) -> None:
    async with pooled(cls) as sup, am_node.Client("c", cls, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError, match="ValueError: no luck") as caught:
            await client.work(kind="raise", name="plain")
    (note,) = caught.value.__notes__
    assert "raise RAISED[name]" in note
    assert caught.value.worker_id in note
    assert note.count('  File "') == 1


def _undone(function: Any) -> Any:
    """A decorator that forgets that what it wraps may be async."""

    def wrapper(self: Any) -> Any:
        return function(self)

    return wrapper


@pytest.mark.parametrize("threads", [True, False])
async def test_a_coroutine_that_plain_work_returns_is_told_of(
    pooled: Any, clock: trio.abc.Clock, threads: bool
) -> None:
    class Wrapped(am_node.Worker):
        thread = threads

        @_undone
        async def work(self) -> int:
            return 3

    async with pooled(Wrapped) as sup, am_node.Client("c", Wrapped, supers=[sup.addr]) as client:
        with pytest.raises(am_node.WorkError, match="`work` is a plain function and returned a"):
            await client.work()


async def test_notes_show_a_terminal_nothing_to_obey() -> None:
    from am_node._client.request import _work_error

    error = _work_error({"type": "E", "message": "m", "trace": "a\x1b[2J\nb\u202e"}, "w")
    assert error.__notes__ == ["On the worker w:\na\\x1b[2J\nb\\u202e"]


async def test_values_are_weighed_however_deep_and_no_further_than_needed() -> None:
    assert weight(_deep(100_000)) > 100_000
    assert weight(_loop()) > 64 * 2**20
    shared: list[Any] = [0] * 100
    for _ in range(20):
        shared = [shared] * 100
    assert weight(shared) > 64 * 2**20
    assert error_answer(BadTextError()) == {
        "error": {"type": "BadTextError", "message": "<its text cannot be made: RuntimeError>"}
    }


class Stubborn(am_node.Worker):
    """Does not end when it is cancelled."""

    released = trio.Event()

    async def work(self, how: str) -> str:
        if how == "shielded":
            with trio.CancelScope(shield=True):
                await type(self).released.wait()
        elif how == "swallows":
            while not type(self).released.is_set():
                try:
                    await type(self).released.wait()
                except trio.Cancelled:
                    with trio.CancelScope(shield=True):
                        await trio.sleep(0.1)
        elif how == "thread":
            await trio.to_thread.run_sync(_release.wait)
        return how


class Limited(Stubborn):
    work_timeout = 2.0


_release = threading.Event()


@pytest.fixture
def stubborn() -> Any:
    """Work that ends when the test does."""
    Stubborn.released = Limited.released = trio.Event()
    _release.clear()

    def release() -> None:
        Stubborn.released.set()
        _release.set()

    return release


@pytest.mark.parametrize("how", ["shielded", "swallows"])
async def test_work_that_outlives_its_time_is_answered_and_its_worker_replaced(
    pooled: Any, clock: trio.abc.Clock, stubborn: Any, how: str
) -> None:
    async with pooled(Limited) as sup, am_node.Client("c", Limited, supers=[sup.addr]) as client:
        began = trio.current_time()
        with trio.fail_after(10):
            with pytest.raises(am_node.WorkError) as caught:
                await client.work(how=how)
        assert caught.value.type_name == "WorkTimeout"
        (before,) = client.workers
        assert trio.current_time() - began < 4
        killed = sup.mach.when_ticks("KillWorker", 2)
        with trio.fail_after(7):
            await killed
        gone = sup.mach.when_ticks("WorkerKilled", 2)
        stubborn()
        with trio.fail_after(30):
            assert await client.work(how="on") == "on"
            await gone
        assert before not in {info.id for info in await sup.workers()}


@pytest.mark.parametrize("how", ["shielded", "swallows"])
async def test_work_that_ignores_a_cancel_costs_its_worker_within_six_seconds(
    pooled: Any, clock: trio.abc.Clock, stubborn: Any, how: str
) -> None:
    async with pooled(Stubborn) as sup, am_node.Client("c", Stubborn, supers=[sup.addr]) as client:
        with trio.move_on_after(1):
            await client.work(how=how)
        killed = sup.mach.when_ticks("KillWorker", 2)
        with trio.fail_after(6):
            await killed
        stubborn()
        with trio.fail_after(30):
            assert await client.work(how="on") == "on"


@pytest.mark.parametrize("how", ["shielded", "swallows"])
async def test_work_that_ends_late_after_a_cancel_keeps_its_worker(
    pooled: Any, clock: trio.abc.Clock, stubborn: Any, how: str
) -> None:
    async with pooled(Stubborn) as sup, am_node.Client("c", Stubborn, supers=[sup.addr]) as client:
        with trio.move_on_after(1):
            await client.work(how=how)
        await trio.sleep(3)
        stubborn()
        with trio.fail_after(5):
            assert await client.work(how="on") == "on"
        await trio.sleep(10)
        assert sup.mach.tick("KillWorker") == 0


class Teller(am_node.Worker):
    def work(self) -> str:
        for step in range(3):
            self.send("step", step)
        return "done"


async def test_synchronous_work_sends_progress_from_its_thread(pooled: Any) -> None:
    seen: list[Any] = []

    class Listener(am_node.Client):
        def ServerPayloadState(self, e: Any) -> None:
            seen.append((e.args["name"], e.args["data"]))

    async with pooled(Teller) as sup, Listener("c", Teller, supers=[sup.addr]) as client:
        with trio.fail_after(10):
            assert await client.work() == "done"
            while len(seen) < 3:
                await client.mach.when_ticks("ServerPayload", 1)
    assert [item for item in seen if item[0] == "step"] == [("step", 0), ("step", 1), ("step", 2)]


@pytest.mark.parametrize("attempts", [0, -1])
async def test_no_attempt_at_all_is_refused_at_the_call(
    pooled: Any, clock: trio.abc.Clock, attempts: int
) -> None:
    async with pooled(Anything) as sup, am_node.Client("c", Anything, supers=[sup.addr]) as client:
        with pytest.raises(ValueError, match="attempts"):
            await client.work(kind="echo", name="a", attempts=attempts)
        with pytest.raises(ValueError, match="attempts"):
            client.map([], attempts=attempts)


@pytest.mark.parametrize("seconds", [-1, -0.5, float("nan")])
async def test_a_time_that_is_none_is_refused_at_the_call(seconds: float) -> None:
    client = am_node.Client("c", Anything, supers=["127.0.0.1:1"])
    with pytest.raises(ValueError, match=f"timeout={seconds}: seconds, 0 or more"):
        await client.work(timeout=seconds)
    with pytest.raises(ValueError, match=f"timeout={seconds}: seconds, 0 or more"):
        client.map([], timeout=seconds)


@pytest.mark.parametrize("retry_on", ["ValueError", ValueError, (ValueError,), 3, None])
async def test_errors_to_retry_are_given_by_their_names(retry_on: Any) -> None:
    client = am_node.Client("c", Anything, supers=["127.0.0.1:1"])
    with pytest.raises(TypeError, match="give the names of the errors' types"):
        await client.work(retry_on=retry_on)
    with pytest.raises(TypeError, match="give the names of the errors' types"):
        client.map([], retry_on=retry_on)


async def test_work_may_take_any_time_if_it_is_told_so(pooled: Any, clock: trio.abc.Clock) -> None:
    async with pooled(Anything) as sup, am_node.Client("c", Anything, supers=[sup.addr]) as client:
        assert await client.work(kind="echo", name="a", timeout=None) == "a"
        inputs = [{"kind": "echo", "name": str(number)} for number in range(3)]
        results = [result async for _, result in client.map(inputs, timeout=None, ordered=True)]
        assert results == ["0", "1", "2"]
