"""A mutation that ends connections is found, sent alone, and given up; the others go on."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

pytestmark = pytest.mark.trio
# More than the servers of these tests take, though their clients do not know.
POISON = [0] * 100


class Log:
    """Notes what was executed."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def DState(self, event: am.Event) -> None:
        self.seen.append(event.args["n"])


@asynccontextmanager
async def served(serve: Any, **options: Any) -> AsyncIterator[tuple[Any, Any, list[Any]]]:
    log = Log()
    async with (
        serve(handlers=log, limits=am_rpc.Limits(array=10)) as pair,
        pair.connect(**options) as net,
    ):
        # It was told otherwise, so that not every fault of a call is found where it is made.
        net.client.agree(am_rpc.Limits())
        yield pair, net, log.seen


def is_unknown(result: am.Result) -> bool:
    """Whether a mutation was given up, by its name."""
    assert isinstance(result.error, am_rpc.OutcomeUnknown)
    return result.outcome is am.CANCELED and str(result.error).startswith("D: ")


def connections(pair: Any) -> int:
    return pair.mux.mach.tick("ClientConnected") // 2


async def test_what_ended_two_connections_is_not_sent_a_third_time(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        poison = net.add("D", n=1, data=POISON)
        await poison
        assert is_unknown(poison)
        # One connection for each time that it was sent, and the one that is now.
        assert connections(pair) == 3
        assert await net.add("D", n=2) is am.EXECUTED
        assert seen == [2]
        assert connections(pair) == 3


async def test_those_beside_it_are_executed_once_and_in_order(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        before = [net.add("D", n=n) for n in range(50)]
        poison = net.add("D", n=50, data=POISON)
        after = [net.add("D", n=n) for n in range(51, 100)]
        late: list[am.Result] = []
        while poison.outcome is None:
            await trio.sleep(0.004)
            if poison.outcome is None:
                late.append(net.add("D", n=100 + len(late)))
        assert {await result for result in before + after + late} == {am.EXECUTED}
        assert is_unknown(poison)
        assert late
        assert seen == [*range(50), *range(51, 100), *range(100, 100 + len(late))]
        # It was in company once, and then alone until it had ended two.
        assert connections(pair) == 4


async def test_several_of_them_are_given_up_one_by_one(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (_, net, seen):
        results = [net.add("D", n=n, data=POISON if n % 3 == 0 else None) for n in range(10)]
        await net.flush()
        assert [n for n in range(10) if results[n].outcome is am.CANCELED] == [0, 3, 6, 9]
        assert all(is_unknown(results[n]) for n in (0, 3, 6, 9))
        assert seen == [1, 2, 4, 5, 7, 8]


async def test_one_that_wants_no_answer_is_given_up_too(
    serve: Any, caplog: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        net.add_ns("D", n=0)
        net.add_ns("D", n=1, data=POISON)
        net.add_ns("D", n=2)
        await net.flush()
        assert await net.add("D", n=3) is am.EXECUTED
        assert seen == [0, 2, 3]
        assert connections(pair) <= 4
    assert "the server ended two connections when this was sent" in caplog.text


async def test_a_lost_session_does_not_make_it_welcome(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve, on_unknown="resend") as (pair, net, seen):
        poison = net.add("D", n=1, data=POISON)
        while poison.outcome is None:
            pair.mux.serving.sessions.clear()
            await trio.sleep(0.1)
        assert is_unknown(poison)
        assert connections(pair) == 3
        assert await net.add("D", n=2) is am.EXECUTED
        assert seen == [2]


@pytest.mark.parametrize("end", ["here", "there"])
async def test_a_line_that_breaks_again_and_again_loses_nothing(
    serve: Any, end: str, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        results = []
        for n in range(0, 60, 3):
            results += [net.add("D", n=n + more) for more in range(3)]
            if end == "here":
                await pair.network.cut()
            else:
                for server in pair.mux.servers.values():
                    await trio.aclose_forcefully(server.client.connection.stream)
            # Until then another cut might hit the same ones.
            await results[-1]
        assert {await result for result in results} == {am.EXECUTED}
        assert seen == list(range(60))
        assert connections(pair) == 21


async def test_what_was_executed_is_not_suspected_though_its_answer_never_comes(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        for _ in range(3):
            pair.network.lose(out=False, into=True)
            result = net.add("D", n=1)
            await trio.testing.wait_all_tasks_blocked()
            assert result.outcome is None
            (server,) = pair.mux.servers.values()
            # As if its process had died, but for the session.
            await trio.aclose_forcefully(server.client.connection.stream)
            pair.network.client_ends.clear()
            assert await result is am.EXECUTED
        assert seen == [1, 1, 1]


async def test_a_server_that_says_goodbye_accuses_nobody(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with served(serve) as (pair, net, seen):
        for _ in range(3):
            # Lost on the way up, so that it is unanswered when the goodbye comes.
            pair.network.lose(out=True)
            result = net.add("D", n=1)
            await trio.testing.wait_all_tasks_blocked()
            (server,) = pair.mux.servers.values()
            await server.disconnect("close")
            pair.network.client_ends.clear()
            assert await result is am.EXECUTED
        assert seen == [1, 1, 1]


async def test_others_wait_only_until_the_one_alone_was_read(
    serve: Any, network: Any, autojump_clock: MockClock
) -> None:
    # A relay answers when its own source has; what it has read is not suspected meanwhile.
    below = network()
    log = Log()
    async with (
        serve(handlers=log) as pair,
        pair.connect() as middle,
        am_rpc.Mux(middle, listener=below.listener()) as relay,
        am_rpc.Client(below.dial, retry=am_rpc.Retry(connect_delay=0.01)) as client,
    ):
        leaf = await client.ready()
        below.lose(out=True)
        first = leaf.add("D", n=1)
        second = leaf.add("D", n=2)
        await trio.testing.wait_all_tasks_blocked()
        (server,) = relay.servers.values()
        await trio.aclose_forcefully(server.client.connection.stream)
        # Nothing of the relay reaches its source for now.
        pair.network.lose(out=True)
        await trio.sleep(1)
        assert len(middle.client.outbox) == 2
        assert first.outcome is second.outcome is None
        await pair.network.cut()
        assert await first is await second is am.EXECUTED
        assert log.seen == [1, 2]
