"""Acceptance 6: calls that wait, checks first, conditions."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import am_helpers as amh
import am_machine as am

pytestmark = pytest.mark.trio

SCHEMA: dict[str, Any] = {
    "Foo": {},
    "Bar": {},
    "Many": {"multi": True},
    "Need": {"require": ["Bar"]},
}


class Blip:
    """Foo activates Bar and takes it away again in the same drain."""

    def FooState(self, event: am.Event) -> None:
        event.add("Bar")
        event.remove("Bar")


async def test_acceptance_06_a_state_that_comes_and_goes_in_one_drain_is_seen() -> None:
    mach = am.Machine(SCHEMA, handlers=Blip())
    with trio.fail_after(5):
        assert await amh.add_async(mach, "Bar", "Foo")
    assert mach.not_("Bar")


async def test_acceptance_06_an_active_multi_state_is_waited_for_anew(machine: Any) -> None:
    mach = machine(SCHEMA)
    mach.add("Many")
    with trio.fail_after(5):
        assert await amh.add_async(mach, "Many", "Many")
    assert mach.tick("Many") == 3


async def test_acceptance_06_cancel_and_dispose_give_false(
    machine: Any, autojump_clock: Any
) -> None:
    mach = machine(SCHEMA)
    assert await amh.add_async(mach, "Bar", "Need") is False

    async def dispose() -> None:
        await trio.sleep(1)
        mach.dispose()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(dispose)
        assert await amh.add_async(mach, "Bar", "Foo") is False


async def test_add_and_remove_sync_tell_the_outcome(machine: Any) -> None:
    mach = machine(SCHEMA)
    assert await amh.add_sync(mach, "Foo") is True
    assert await amh.add_sync(mach, "Need") is False
    assert await amh.remove_sync(mach, "Foo") is True
    assert mach.active == ()


async def test_add_sync_inside_a_task_of_a_handler_awaits_the_queued_outcome() -> None:
    seen: list[bool] = []

    class Handlers:
        async def FooState(self, event: am.Event) -> None:
            seen.append(await amh.add_sync(event.machine, "Need"))
            seen.append(await amh.add_sync(event.machine, "Bar"))
            event.add("Many")

    async with am.Machine(SCHEMA, handlers=Handlers()) as mach:
        mach.add("Foo")
        await mach.when("Many")
    assert seen == [False, True]


async def test_asking_first_leaves_no_canceled_mutation(machine: Any, transition_log: Any) -> None:
    mach = machine(SCHEMA, tracers=[transition_log])
    assert amh.ask_add(mach, "Need") is am.CANCELED
    assert all(tx.is_check for tx in transition_log.transitions)
    assert amh.cant_add(mach, "Need")
    assert amh.ask_add(mach, "Bar") is am.EXECUTED
    assert amh.ask_add(mach, "Need") is am.EXECUTED
    assert not amh.cant_remove(mach, "Need")
    assert amh.ask_remove(mach, "Need") is am.EXECUTED

    class Keep:
        def BarExit(self, event: am.Event) -> bool:
            return False

    mach.bind(Keep())
    assert amh.cant_remove(mach, "Bar")
    assert amh.ask_remove(mach, "Bar") is am.CANCELED
    assert mach.is_("Bar")


async def test_results_as_errors() -> None:
    assert amh.result_to_err(am.EXECUTED) is None
    error = amh.result_to_err(am.CANCELED)
    assert isinstance(error, amh.CanceledError)
    assert error.tries == 1


async def test_remove_multi_makes_an_event_of_a_state(machine: Any) -> None:
    mach = machine(SCHEMA)
    mach.bind({"ManyState": amh.remove_multi(mach, "Many")})
    mach.add("Many")
    assert mach.not_("Many")
    assert mach.tick("Many") == 2
    with pytest.raises(am.UnknownStateError):
        amh.remove_multi(mach, "Nope")


@pytest.mark.parametrize(
    ("cond", "holds"),
    [
        (amh.Cond(is_=["Foo", "Many"]), True),
        (amh.Cond(is_=["Foo", "Bar"]), False),
        (amh.Cond(not_=["Bar"]), True),
        (amh.Cond(not_=["Bar", "Foo"]), False),
        (amh.Cond(any1=["Bar", "Foo"]), True),
        (amh.Cond(any1=["Bar"]), False),
        (amh.Cond(any_=[["Foo", "Bar"], ["Foo", "Many"]]), True),
        (amh.Cond(any_=[["Foo", "Bar"], ["Bar"]]), False),
        (amh.Cond(clock={"Foo": 1, "Bar": 0}), True),
        (amh.Cond(clock={"Foo": 2}), False),
        (amh.Cond(is_=["Foo"], any1=["Bar"]), False),
    ],
)
async def test_conditions(machine: Any, cond: amh.Cond, holds: bool) -> None:
    mach = machine(SCHEMA)
    mach.add("Foo", "Many")
    assert cond.check(mach) is holds
    assert cond
    assert not amh.Cond()


async def test_keywords_may_be_named_like_parameters(machine: Any) -> None:
    seen = []

    class Handlers:
        def ManyState(self, event: am.Event) -> None:
            seen.append(sorted(event.mutation.args))

    mach = machine(SCHEMA, handlers=Handlers())
    names = {"mach": 1, "wait_state": 2, "cls": 3, "exc": 4}
    assert await amh.add_sync(mach, "Many", **names)
    assert await amh.add_async(mach, "Many", "Many", **names)
    assert amh.ask_add(mach, "Many", **names) is am.EXECUTED
    assert not amh.cant_add(mach, "Many", **names)
    assert not amh.cant_remove(mach, "Many", **names)
    assert amh.ask_remove(mach, "Foo", **names) is am.EXECUTED
    assert await amh.remove_sync(mach, "Foo", **names)
    assert seen == [sorted(names)] * 3


async def test_keywords_of_requests_and_errors_may_be_named_like_parameters(machine: Any) -> None:
    pytest.importorskip("tenacity")
    mach = machine(SCHEMA)
    assert await amh.Request.add(mach, "Many", mach=1, cls=2).run() is am.EXECUTED
    assert await amh.Request.remove(mach, "Many", mach=1, cls=2).run() is am.EXECUTED
    connected = machine(amh.Connected)
    assert amh.add_err_connecting(connected, OSError("x"), mach=1, exc=2) is am.EXECUTED
