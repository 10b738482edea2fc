"""Who calls: handlers learn from the connection, not from the args, whose mutation it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_rpc

if TYPE_CHECKING:
    import am_machine as am


class Handlers:
    def __init__(self) -> None:
        self.seen: list[tuple[str, am_rpc.Caller | None]] = []

    def AEnter(self, event: am.Event) -> None:
        self.seen.append(("vote", am_rpc.caller()))

    def BState(self, event: am.Event) -> None:
        self.seen.append(("final", am_rpc.caller()))

    async def DState(self, event: am.Event) -> None:
        await trio.lowlevel.checkpoint()
        self.seen.append(("task", am_rpc.caller()))
        event.machine.add("E")


@pytest.mark.trio
async def test_votes_finals_and_tasks_know_the_client_that_called(
    serve: Any, demo_states: type[am.States]
) -> None:
    handlers = Handlers()
    async with serve(demo_states, handlers) as pair, pair.connect(id="ann") as net:
        await net.add("B")
        await net.add("D")
        await net.when("E")
        assert await net.check_add("A")
    assert {how for how, _ in handlers.seen} == {"vote", "final", "task"}
    for _, caller in handlers.seen:
        assert caller is not None
        assert caller.client_id == net.client.mach.id
        assert caller.key_id is None
        assert len(caller.session) == 8
    assert am_rpc.caller() is None


@pytest.mark.trio
async def test_what_the_source_does_by_itself_has_no_caller(
    serve: Any, demo_states: type[am.States]
) -> None:
    handlers = Handlers()
    async with serve(demo_states, handlers) as pair, pair.connect() as net:
        pair.source.add("B")
        await net.when("B")
    assert {caller for _, caller in handlers.seen} == {None}


@pytest.mark.trio
async def test_a_key_is_named_and_two_clients_are_told_apart(
    serve: Any, demo_states: type[am.States]
) -> None:
    handlers = Handlers()
    keys = {"one": (b"1" * 32, None), "two": (b"2" * 32, None)}
    async with serve(demo_states, handlers, secret=keys) as pair:
        for key in keys:
            options = {"secret": (key, keys[key][0]), "id": key}
            async with pair.connect(**options) as net:
                await net.add("B")
                await net.remove("B")
    finals = [caller for how, caller in handlers.seen if how == "final" and caller is not None]
    assert [caller.key_id for caller in finals] == ["one", "two"]
    assert len({caller.client_id for caller in finals}) == 2
