"""`arpc` at an address that has many machines: it lists, filters and follows them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import am_machine as am
import am_rpc
from am_rpc import Access as Rights
from am_rpc import Key
from am_rpc._repl._addr_files import Source
from am_rpc._repl._machine import Repl
from am_rpc._repl._outcome import Code, Outcome
from am_rpc._repl._pool import Access

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.trio


class DeviceStates(am_rpc.StateSource):
    """A device among many."""

    On = am.State()
    Alarm = am.State()


KEYS = {
    "reader": Key(b"r" * 32, access=Rights(write=())),
    "one": Key(b"1" * 32, machines=["dev07"]),
}


@asynccontextmanager
async def at(mux: am_rpc.Mux, **options: Any) -> AsyncIterator[Repl]:
    shown: list[tuple[str, Outcome]] = []
    repl = Repl(
        Source((mux.addr,)), show=lambda name, outcome: shown.append((name, outcome)), **options
    )
    async with repl:
        await repl.settle(30)
        yield repl


def ids(outcome: Outcome) -> list[str]:
    return [machine["id"] for machine in outcome.data["machines"]]


def devices(count: int) -> list[am.Machine]:
    return [am.Machine(DeviceStates, id=f"dev{n:02}") for n in range(count)]


async def test_all_machines_of_an_address_are_listed_filtered_and_commanded() -> None:
    machines = devices(40)
    machines[3].add("Alarm")
    machines[31].add("Alarm")
    async with am_rpc.Mux(machines, "127.0.0.1:0") as mux, at(mux) as repl:
        assert ids(await repl.run(["list"])) == [machine.id for machine in machines]
        assert ids(await repl.run(["list", "-a", "Alarm"])) == ["dev03", "dev31"]
        assert ids(await repl.run(["list", "-p", "dev1", "-l", "3"])) == ["dev10", "dev11", "dev12"]
        assert (await repl.run(["add", "dev12", "On"])).code is Code.OK
        assert machines[12].is_("On")
        assert (await repl.run(["group-add", "On", "-a", "Alarm"])).code is Code.OK
        assert [m.id for m in machines if m.is_("On")] == ["dev03", "dev12", "dev31"]
        assert (await repl.run(["mach", "dev03"])).data["active"] == ["On", "Alarm"]
        assert (await repl.run(["status"])).data["total"] == 40


async def test_machines_are_followed_and_those_that_come_later_too() -> None:
    machines = devices(3)
    outcomes: list[Outcome] = []

    async def wait(repl: Repl) -> None:
        outcomes.append(await repl.run(["when", "dev01", "Alarm", "--timeout", "20"]))

    async with (
        am_rpc.Mux(machines[:2], "127.0.0.1:0", push_interval=0) as mux,
        at(mux, watch=True) as repl,
    ):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, repl)
            await repl.mach.when("CmdWhen")
            machines[1].add("Alarm")
        assert outcomes[0].code is Code.OK
        mux.serve(machines[2])
        await mux.withdraw("dev00")
        with trio.fail_after(30):
            while [peer.id for peer in repl.pool.connected] != ["dev01", "dev02"]:
                await repl.mach.when_next_active("RpcConn")
                await trio.lowlevel.checkpoint()
        assert ids(await repl.run(["list", "--disconn"])) == ["dev01", "dev02"]


async def test_a_key_lists_and_commands_what_it_opens() -> None:
    machines = devices(10)
    async with am_rpc.Mux(machines, "127.0.0.1:0", secret=KEYS) as mux:
        async with at(mux, access=Access(secret=("one", KEYS["one"].secret))) as repl:
            assert ids(await repl.run(["list"])) == ["dev07"]
            assert (await repl.run(["add", ".", "On"])).code is Code.OK
        async with at(mux, access=Access(secret=("reader", KEYS["reader"].secret))) as repl:
            assert len(ids(await repl.run(["list"]))) == 10
            outcome = await repl.run(["add", "dev01", "On"])
            assert outcome.code is not Code.OK
            assert not machines[1].is_("On")


async def test_named_machines_alone_are_connected_where_none_is_told() -> None:
    machines = {machine.id: machine for machine in devices(3)}
    async with am_rpc.Mux(lambda name, caller: machines.get(name), "127.0.0.1:0") as mux:
        async with at(mux) as repl:
            outcome = await repl.run(["list", "--disconn"])
            assert outcome.data["machines"][0]["status"] == "disconnected"
            assert "name one" in outcome.data["machines"][0]["error"]
        async with at(mux, access=Access(machines=("dev02",))) as repl:
            assert ids(await repl.run(["list"])) == ["dev02"]
