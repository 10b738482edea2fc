"""`arpc watch`, and what `list` says of parents and of machines that are not there."""

from __future__ import annotations

import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc._repl._addr_files import Source
from am_rpc._repl._completion import candidates
from am_rpc._repl._machine import Repl
from am_rpc._repl._outcome import Code, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.trio


class LampStates(am_rpc.StateSource):
    """A lamp."""

    On = am.State()
    Blink = am.State(multi=True)
    Locked = am.State()


@asynccontextmanager
async def repl_of(*addrs: str, **options: Any) -> AsyncIterator[tuple[Repl, list[Outcome]]]:
    """A REPL at some addresses, and what it has shown."""
    shown: list[Outcome] = []
    source = Source(addrs)
    async with Repl(source, show=lambda command, outcome: shown.append(outcome), **options) as repl:
        await repl.settle(5)
        yield repl, shown


@asynccontextmanager
async def lamp(**options: Any) -> AsyncIterator[tuple[am.Machine, str]]:
    async with (
        am.Machine(LampStates, id="lamp", parent=options.pop("parent", None)) as mach,
        am_rpc.Mux(mach, "127.0.0.1:0", push_interval=0, **options) as mux,
    ):
        yield mach, mux.addr


class Watching:
    """`watch` running beside a test."""

    def __init__(self, repl: Repl, shown: list[Outcome]) -> None:
        self._repl = repl
        self._shown = shown
        self.outcome: Outcome | None = None

    async def run(self, line: str) -> None:
        self.outcome = await self._repl.run(line.split())

    async def changes(self, count: int) -> list[str]:
        """The first lines, without the time of day."""
        with trio.fail_after(5):
            while len(self._shown) < count:
                await trio.testing.wait_all_tasks_blocked(0.001)
        lines = [line for outcome in self._shown[:count] for line in outcome.lines]
        assert all(re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line) for line in lines)
        return [line.partition(" ")[2] for line in lines]


@asynccontextmanager
async def watching(line: str) -> AsyncIterator[tuple[am.Machine, Watching]]:
    async with lamp() as (mach, addr), repl_of(addr) as (repl, shown), trio.open_nursery() as tasks:
        watch = Watching(repl, shown)
        tasks.start_soon(watch.run, line)
        await repl.mach.when("CmdInspect")
        yield mach, watch
        tasks.cancel_scope.cancel()


async def test_watch_tells_what_comes_goes_and_moves() -> None:
    async with watching("watch lamp") as (mach, watch):
        mach.add("On")
        assert await watch.changes(1) == ["+On:1"]
        mach.set("Locked")
        assert await watch.changes(2) == ["+On:1", "-On:2 +Locked:1"]
        mach.add("Blink")
        mach.add("Blink")
        assert (await watch.changes(4))[2:] == ["+Blink:1", "~Blink:3"]
        assert watch.outcome is None


async def test_watch_of_some_states_is_silent_about_the_others() -> None:
    async with watching("watch . On Locked -n 2") as (mach, watch):
        mach.add("Blink")
        mach.add("On")
        mach.add("Blink")
        mach.add("Locked", "Blink")
        assert await watch.changes(2) == ["+On:1", "+Locked:1"]
        with trio.fail_after(5):
            while watch.outcome is None:
                await trio.testing.wait_all_tasks_blocked(0.001)
        assert watch.outcome.code is Code.OK


async def test_watch_as_data_names_what_changed() -> None:
    async with lamp() as (mach, addr), repl_of(addr) as (repl, shown):
        async with trio.open_nursery() as tasks:
            tasks.start_soon(repl.run, ["watch", "lamp", "-n", "1"])
            await repl.mach.when("CmdInspect")
            mach.add("On", "Blink")
        data = shown[0].data
        assert data.pop("at")
        assert data == {
            "id": "lamp", "ticks": {"On": 1, "Blink": 1}, "added": ["On", "Blink"], "removed": [],
        }  # fmt: skip


async def test_watch_ends_well_when_its_time_is_over_unless_changes_were_asked_for() -> None:
    async with lamp() as (mach, addr), repl_of(addr) as (repl, shown):
        assert (await repl.run(["watch", "lamp", "--timeout", "0.05"])).code is Code.OK
        outcome = await repl.run(["watch", "lamp", "-n", "2", "--timeout", "0.05"])
        assert (outcome.code, outcome.error) == (Code.TIMEOUT, "0 of 2 changes")
        assert (await repl.run(["watch", "lamp", "Off"])).code is Code.USAGE
        assert (await repl.run(["watch", "sun"])).code is Code.NO
        net = repl.pool.peers[0].net
        assert net is not None
        assert net.tracers == ()
        assert len(shown) == 4
        mach.add("On")
        await trio.testing.wait_all_tasks_blocked()
        assert len(shown) == 4, "a watch that is over goes on"


async def test_watch_goes_on_across_a_lost_connection_and_ends_with_its_address(
    tmp_path: Path,
) -> None:
    addr = f"unix:{tmp_path / 'sock'}"
    hosts = tmp_path / "hosts"
    hosts.write_text(addr)
    shown: list[Outcome] = []
    async with (
        am.Machine(LampStates, id="lamp") as mach,
        Repl(Source(file=hosts), show=lambda command, outcome: shown.append(outcome)) as repl,
    ):
        watch = Watching(repl, shown)
        async with trio.open_nursery() as tasks:
            async with am_rpc.Mux(mach, addr, push_interval=0):
                await repl.run(["connect"])
                shown.clear()
                tasks.start_soon(watch.run, "watch lamp")
                await repl.mach.when("CmdInspect")
                mach.add("On")
                await watch.changes(1)
            # What happens meanwhile is told when the machine is back.
            mach.add("Locked")
            async with am_rpc.Mux(mach, addr, push_interval=0):
                assert (await watch.changes(2))[1] == "+Locked:1"
                hosts.write_text("")
                await repl.load()
        assert watch.outcome is not None
        assert (watch.outcome.code, watch.outcome.error) == (Code.NOT_CONNECTED, "lamp is gone")


async def test_watch_completes_machines_and_states() -> None:
    async with lamp() as (_, addr), repl_of(addr) as (repl, _):
        assert [c.text for c in candidates("watch l", repl.pool)] == ["lamp"]
        assert [c.text for c in candidates("watch lamp On L", repl.pool)] == ["Locked"]
        assert "--count" in [c.text for c in candidates("watch lamp --", repl.pool)]


async def test_list_filters_by_the_parents_that_sources_have() -> None:
    async with (
        am.Machine({"Up": {}}, id="house") as house,
        lamp(parent=house) as (_, addr),
        am.Machine(LampStates, id="torch") as torch,
        am_rpc.Mux(torch, "127.0.0.1:0") as other,
        repl_of(addr, other.addr) as (repl, _),
    ):
        found = await repl.run(["list", "-P", "house"])
        assert [row["id"] for row in found.data["machines"]] == ["lamp"]
        assert found.data["machines"][0]["parent"] == "house"
        assert found.table is not None
        assert found.table.header == ("id", "address", "time", "active", "parent")
        assert found.table.rows[0][4] == "house"
        everything = await repl.run(["list"])
        assert [row["parent"] for row in everything.data["machines"]] == ["house", None]
        assert (await repl.run(["list", "--parent", "garage"])).code is Code.NO
        stopped = await repl.run(["group-add", "On", "-P", "house"])
        assert stopped.data["executed"] == 1
        assert torch.not_("On")
        assert [c.text for c in candidates("list -P ", repl.pool)] == ["house"]


async def test_list_says_why_a_machine_is_not_there(tmp_path: Path) -> None:
    async with lamp() as (_, addr), repl_of(addr, f"unix:{tmp_path}/nobody") as (repl, _):
        found = await repl.run(["list", "--disconn"])
        assert found.table is not None
        assert found.table.header[-1] == "reason"
        assert "such file" in found.table.rows[1][-1]
        assert "such file" in found.data["machines"][1]["error"]
        assert "error" not in found.data["machines"][0]


async def test_a_server_that_keeps_silent_is_told_with_what_may_be_wrong() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        addr = f"127.0.0.1:{silent.getsockname()[1]}"
        async with Repl(Source((addr,)), show=lambda command, outcome: None) as repl:
            await repl.settle(0.1)
            outcome = await repl.run(["mach", "."])
    assert outcome.code is Code.NOT_CONNECTED
    told = f"not connected: {addr}: no answer yet; is it an aRPC server, with TLS and websockets"
    assert outcome.error.startswith(told)


async def test_a_state_out_of_reach_is_refused_by_name() -> None:
    async with lamp(access=am_rpc.Access(write={"On"})) as (_, addr), repl_of(addr) as (repl, _):
        assert (await repl.run(["add", "lamp", "On"])).code is Code.OK
        outcome = await repl.run(["add", "lamp", "Locked"])
        assert (outcome.code, outcome.error) == (
            Code.NO,
            "lamp canceled: no access to state Locked",
        )
