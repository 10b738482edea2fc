"""Keys: each opens what it says, and they are exchanged while everything goes on."""

from __future__ import annotations

from typing import Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc import Access, Key

pytestmark = pytest.mark.trio
OLD, NEW, OTHER = b"the old secret", b"the new secret", b"some other secret"


async def refused(result: am.Result) -> bool:
    return await result is am.CANCELED and isinstance(result.error, am_rpc.NoAccess)


KEYS = {
    "viewer": Key(b"v" * 32, access=Access(write=())),
    "operator": Key(b"o" * 32, access=Access(write={"B"})),
    "owner": Key(b"w" * 32),
    "blind": Key(b"b" * 32, access=Access(read=(), write={"D"}, check=False)),
    "nothing": Key(b"n" * 32, access=Access(read=(), write=())),
}


def offer(name: str) -> tuple[str, bytes]:
    return name, KEYS[name].secret


async def test_each_key_sees_and_does_what_it_says_at_one_address(serve: Any) -> None:
    async with (
        serve(secret=KEYS, access=Access(write={"B", "C"})) as pair,
        pair.connect(secret=offer("viewer")) as viewer,
        pair.connect(secret=offer("operator")) as operator,
        pair.connect(secret=offer("owner")) as owner,
        pair.connect(secret=offer("blind")) as blind,
    ):
        assert await operator.add("B") is am.EXECUTED
        assert await refused(operator.add("C"))
        assert await refused(viewer.add("B"))
        assert await owner.add("C") is am.EXECUTED
        assert await refused(owner.add("D"))
        assert await blind.add("D") is am.EXECUTED
        assert await refused(blind.add("B"))
        with pytest.raises(am_rpc.NoAccess):
            await blind.check_add("D")
        for net in (viewer, operator, owner):
            await net.when("C", "D")
            assert net.active == pair.source.active
        await blind.sync()
        assert not blind.active


async def test_a_key_that_opens_nothing_is_refused_before_any_name(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret=KEYS) as pair:
        async with pair.client(secret=offer("nothing")) as client:
            with pytest.raises(am_rpc.NoAccess):
                await client.ready()
            assert client.boot is None
            assert pair.mux.stats.bytes_out < 200
        assert len(pair.mux.serving.sessions) == 0


async def test_a_client_with_several_secrets_tries_one_after_another(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret=[NEW, Key(OTHER)]) as pair:
        offered: list[tuple[Any, int]] = [
            ([OLD, NEW], 1),
            ([NEW, OLD], 0),
            ([OLD, b"older", OTHER], 2),
            ({"x": OLD, "y": Key(NEW)}, 1),
        ]
        for mine, refusals in offered:
            before = trio.current_time()
            async with pair.connect(secret=mine) as net:
                assert await net.add("B") is am.EXECUTED
                # Each refusal is delayed by about half a second.
                assert refusals * 0.25 <= trio.current_time() - before <= refusals * 0.75 + 0.1
        async with pair.client(secret=[OLD, b"older", b"oldest"]) as client:
            with pytest.raises(am_rpc.NoAccess):
                await client.ready(10)
            assert client.mach.is_("ConnRetryFailed")


class Counting:
    def __init__(self) -> None:
        self.seen: list[int] = []

    def DState(self, event: am.Event) -> None:
        self.seen.append(event.args["n"])


async def test_secrets_are_exchanged_and_no_session_is_lost(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    counting = Counting()
    async with serve(handlers=counting, secret=OLD) as pair:
        async with (
            pair.connect(secret=[OLD, NEW], id="both") as both,
            pair.connect(secret=OLD, id="late") as late,
        ):
            results = []

            async def work() -> None:
                for n in range(300):
                    results.append(both.add("D", n=n))
                    await trio.sleep(0.01)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(work)
                await trio.sleep(0.5)
                await pair.mux.rotate([OLD, NEW])
                await trio.sleep(0.2)
                assert both.client.stats.reconnects == late.client.stats.reconnects == 0
                await pair.mux.rotate([NEW])
            assert {await result for result in results} == {am.EXECUTED}
            assert counting.seen == list(range(300))
            assert (both.client.stats.reconnects, both.client.stats.resumes) == (1, 1)
            # Who has the old one alone is out for good.
            await late.client.mach.when("ConnRetryFailed")
            assert isinstance(late.client.last_error, am_rpc.NoAccess)
        async with pair.connect(secret=NEW) as fresh:
            assert await fresh.add("B") is am.EXECUTED


async def test_a_client_that_is_given_a_new_secret_keeps_its_connection_until_it_ends(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret=[OLD, NEW]) as pair, pair.connect(secret=OLD) as net:
        net.client.rotate(NEW)
        assert await net.add("B") is am.EXECUTED
        await pair.mux.rotate(NEW)
        await net.client.mach.when_not("Ready")
        await net.client.mach.when("Ready")
        assert net.client.stats.resumes == 1
        assert await net.add("C") is am.EXECUTED


async def test_a_key_whose_rights_change_takes_effect_at_once(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve(secret={"k": Key(OLD)}) as pair, pair.connect(secret=("k", OLD)) as net:
        assert await net.add("B") is am.EXECUTED
        await pair.mux.rotate({"k": Key(OLD, access=Access(write=()))})
        await net.client.mach.when_not("Ready")
        await net.client.mach.when("Ready")
        assert await refused(net.add("C"))


async def test_a_lone_server_rotates_as_a_mux_does(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    net_ = network()
    async with (
        am.Machine({"A": {}}) as source,
        am_rpc.Server(source, listener=net_.listener(), secret=OLD) as server,
        am_rpc.Client(net_.dial, secret=[OLD, NEW]) as client,
    ):
        net = await client.ready()
        await server.rotate([NEW, OTHER])
        await client.mach.when_not("Ready")
        await client.mach.when("Ready")
        assert await net.add("A") is am.EXECUTED
        with pytest.raises(ValueError, match="secret"):
            await server.rotate([])
        assert server.serving.keyring is not None
        assert server.serving.keyring.find(None) == (Key(NEW), Key(OTHER))
