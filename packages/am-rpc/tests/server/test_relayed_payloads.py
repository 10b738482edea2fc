"""Payloads through relays: to those behind them, once, with the name of who sent them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc.testing import MemoryNetwork

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

pytestmark = pytest.mark.trio
FAST = am_rpc.Retry(connect_delay=0.01)


class Mail:
    """Takes payloads, or refuses them."""

    def __init__(self) -> None:
        self.got: list[tuple[Any, ...]] = []
        self.refuses = False

    def ServerPayloadEnter(self, event: am.Event) -> bool:
        return not self.refuses

    def ServerPayloadState(self, event: am.Event) -> None:
        args = event.args
        self.got.append((args["name"], args["data"], args["source"], args["source_tx"]))

    @property
    def names(self) -> list[str]:
        return [got[0] for got in self.got]


class Leaf:
    """A client with a consumer, two relays below the source."""

    def __init__(self, mail: Mail, client: am_rpc.Client, relays: list[MemoryNetwork]) -> None:
        self.mail = mail
        self.client = client
        self.id = client.mach.id
        self.relays = relays


@asynccontextmanager
async def below(pair: Any, *, secret: Any = None, **options: Any) -> AsyncIterator[Leaf]:
    """Serve a replica of the source, and a replica of that; yield a client of the latter."""
    first, second, mail = MemoryNetwork(), MemoryNetwork(), Mail()
    async with (
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        pair.connect(secret=secret) as middle,
        am_rpc.Mux(middle, listener=first.listener(), push_interval=0, **options),
        am_rpc.Client(first.dial, retry=FAST) as upper,
        am_rpc.Mux(await upper.ready(), listener=second.listener(), push_interval=0, **options),
        am_rpc.Client(second.dial, retry=FAST, consumer=consumer) as client,
    ):
        await client.ready()
        await trio.testing.wait_all_tasks_blocked()
        yield Leaf(mail, client, [pair.network, first, second])


async def test_a_source_reaches_a_client_behind_two_relays_by_its_id(serve: Any) -> None:
    others = Mail()
    async with (
        serve() as pair,
        am.Machine(am_rpc.Consumer, handlers=others) as consumer,
        pair.connect(consumer=consumer),
        below(pair) as leaf,
    ):
        data = {"rows": [1, 2.5, None, b"x"]}
        await pair.mux.send_payload("asked", data, leaf.id, source_tx="t1")
        pair.source.add("SendPayload", name="told", data=7, destination=leaf.id)
        await trio.testing.wait_all_tasks_blocked()
        assert leaf.mail.got[0] == ("asked", data, "source", "t1")
        assert leaf.mail.got[1][:3] == ("told", 7, "source")
        assert leaf.mail.got[1][3]
        assert others.got == []
        assert not pair.source.is_("ErrSendPayload")


async def test_what_is_for_all_reaches_those_behind_relays_too(serve: Any) -> None:
    others = Mail()
    async with (
        serve() as pair,
        am.Machine(am_rpc.Consumer, handlers=others) as consumer,
        pair.connect(consumer=consumer),
        below(pair) as leaf,
    ):
        await pair.mux.send_payload("all", 1)
        assert leaf.mail.names == others.names == ["all"]


async def test_chunks_pass_through_relays(serve: Any, autojump_clock: MockClock) -> None:
    async with serve() as pair, below(pair) as leaf:
        data = bytes(range(256)) * 8_000
        await pair.mux.send_payload("large", data, leaf.id)
        assert leaf.mail.got[0][1] == data


async def test_the_sender_hears_of_a_refusal_below(serve: Any) -> None:
    async with serve() as pair, below(pair) as leaf:
        leaf.mail.refuses = True
        with pytest.raises(am_rpc.DeliveryError, match="refused"):
            await pair.mux.send_payload("no", 1, leaf.id)
        leaf.mail.refuses = False
        await pair.mux.send_payload("yes", 1, leaf.id)
        assert leaf.mail.names == ["yes"]


async def test_a_full_session_below_is_an_error_to_the_sender(serve: Any) -> None:
    async with serve() as pair, below(pair, limits=am_rpc.Limits(payload=5_000)) as leaf:
        with pytest.raises(am_rpc.DeliveryError, match=r"5000"):
            await pair.mux.send_payload("large", bytes(6_000), leaf.id)
        await pair.mux.send_payload("small", bytes(4_000), leaf.id)
        assert leaf.mail.names == ["small"]


async def test_who_is_gone_is_no_destination_any_more(serve: Any) -> None:
    async with serve() as pair:
        async with below(pair) as leaf:
            await pair.mux.send_payload("one", 1, leaf.id)
            await leaf.client.disconnect()
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(am_rpc.DeliveryError):
                await pair.mux.send_payload("two", 2, leaf.id)
        with pytest.raises(am_rpc.WrongDestination):
            await pair.mux.send_payload("three", 3, "rc-nobody")
        assert leaf.mail.names == ["one"]


@pytest.mark.parametrize("level", [0, 1, 2])
async def test_a_cut_at_any_level_delivers_once(
    serve: Any, level: int, autojump_clock: MockClock
) -> None:
    async with serve() as pair, below(pair) as leaf:
        for number in range(6):
            # The answer is lost, so the payload is sent again.
            leaf.relays[level].lose(out=True)
            with trio.move_on_after(1):
                await pair.mux.send_payload(f"p{number}", number, leaf.id)
            await leaf.relays[level].cut()
            await trio.sleep(20)
        assert sorted(set(leaf.mail.names)) == [f"p{number}" for number in range(6)]
        assert len(leaf.mail.names) == 6


async def test_a_key_that_is_good_for_some_ids_claims_no_others(serve: Any) -> None:
    keys = {"k": am_rpc.Key(b"secret", ids={"rc-allowed"})}
    async with serve(secret=keys) as pair:
        middle_id = "allowed"
        first, mail = MemoryNetwork(), Mail()
        async with (
            am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
            pair.connect(secret=("k", b"secret"), id=middle_id) as middle,
            am_rpc.Mux(middle, listener=first.listener()),
            am_rpc.connect(first.dial, consumer=consumer, id="victim"),
        ):
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(am_rpc.WrongDestination):
                await pair.mux.send_payload("secret", 1, "rc-victim")
            assert mail.got == []


async def test_names_of_those_behind_take_from_the_budget_of_the_relay(serve: Any) -> None:
    async with serve(limits=am_rpc.Limits(session_bytes=2_000)) as pair, pair.connect() as net:
        for number in range(100):
            net.client.reaches(f"rc-{number}", True)
        await net.sync()
        budget = pair.mux.serving.sessions.budget
        assert 1_000 < budget.used <= 2_000
        for number in range(100):
            net.client.reaches(f"rc-{number}", False)
        await net.sync()
        assert budget.used == 0


async def test_who_comes_again_is_told_to_a_new_connection(serve: Any) -> None:
    async with serve() as pair, below(pair) as leaf:
        for network in leaf.relays:
            await network.cut()
        with trio.fail_after(10):
            await leaf.client.mach.when("Ready")
            while True:
                try:
                    await pair.mux.send_payload("again", 1, leaf.id)
                    break
                except am_rpc.DeliveryError:
                    await trio.sleep(0.01)
        assert leaf.mail.names == ["again"]
