"""Disposal through the states of `Disposed`."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import am_helpers as amh
import am_machine as am

pytestmark = pytest.mark.trio


def make() -> am.Machine:
    return am.Machine(amh.Disposed, handlers=amh.DisposedHandlers())


async def test_functions_run_in_order_and_awaitables_are_awaited() -> None:
    calls: list[str] = []

    async def slow(mach: am.MachineApi) -> None:
        await trio.lowlevel.checkpoint()
        calls.append("slow")

    async with make() as mach:
        amh.on_dispose(mach, slow)
        amh.on_dispose(mach, lambda m: calls.append("quick"))
        amh.dispose(mach)
        assert mach.is_("Disposing")
        await mach.when_disposed()
    assert calls == ["slow", "quick"]
    assert mach.disposed


async def test_an_error_is_added_and_the_rest_still_runs() -> None:
    calls: list[str] = []

    def broken(mach: am.MachineApi) -> None:
        raise OSError("busy")

    async with make() as mach:
        mach.log_traceback = False
        amh.on_dispose(mach, broken)
        amh.on_dispose(mach, lambda m: calls.append(repr(m.err)))
        amh.dispose(mach)
        await mach.when_disposed()
    assert calls == ["OSError('busy')"]


async def test_leaving_disposing_stops_the_functions() -> None:
    calls: list[str] = []
    async with make() as mach:
        amh.on_dispose(mach, lambda m: m.remove("Disposing"))
        amh.on_dispose(mach, lambda m: calls.append("never"))
        amh.dispose(mach)
        await trio.testing.wait_all_tasks_blocked()
        assert not calls
        assert not mach.disposed
        amh.dispose(mach)
        await mach.when_disposed()
    assert calls == ["never"]


async def test_registering_needs_a_callable_and_a_check_adds_no_error() -> None:
    async with make() as mach:
        mach.log_traceback = False
        assert mach.can_add("RegisterDisposal", fn=3).canceled
        assert not mach.is_err
        assert mach.add("RegisterDisposal", fn=3).canceled
        assert isinstance(mach.err, am.ArgsError)


async def test_machines_without_the_states_are_disposed_directly(machine: Any) -> None:
    mach = machine({"Foo": {}})
    seen: list[am.Machine] = []
    amh.on_dispose(mach, seen.append)
    amh.dispose(mach)
    assert mach.disposed
    assert seen == [mach]


async def test_implements_lists_what_is_missing(machine: Any) -> None:
    mach = machine({"Foo": {}, "Start": {}})
    assert amh.implements(mach, ["Start"]) == []
    assert amh.implements(mach, amh.Disposed) == ["RegisterDisposal", "Disposing", "Disposed"]
    assert amh.implements(["A", "B"], ["B", "C"]) == ["C"]


@pytest.mark.parametrize(
    ("handler", "state"),
    [("FooEnter", "Foo"), ("FooState", "Foo"), ("FooBarEnd", "FooBar"), ("End", "End")],
)
async def test_handler_to_state(handler: str, state: str) -> None:
    assert amh.handler_to_state(handler) == state


async def test_a_machine_that_was_never_opened_is_disposed() -> None:
    calls: list[str] = []
    mach = make()
    amh.on_dispose(mach, lambda m: calls.append("first"))
    amh.on_dispose(mach, lambda m: calls.append("second"))
    amh.dispose(mach)
    assert calls == ["first", "second"]
    assert mach.disposed
    assert not mach.is_err


async def test_a_function_that_would_have_to_be_awaited_is_an_error_where_nothing_is_open() -> None:
    calls: list[str] = []

    async def never(mach: am.MachineApi) -> None:
        calls.append("never")

    mach = make()
    mach.log_traceback = False
    amh.on_dispose(mach, never)
    amh.on_dispose(mach, lambda m: calls.append("second"))
    amh.dispose(mach)
    assert calls == ["second"]
    assert mach.disposed
    assert isinstance(mach.err, am.NotOpenError)
