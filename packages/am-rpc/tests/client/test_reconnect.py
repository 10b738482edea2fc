"""Connections that break: sessions, repeats, buffering, unknown outcomes."""

from __future__ import annotations

import functools
from typing import Any

import msgpack
import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio
FAST = am_rpc.Retry(connect_delay=0.01)


class Recorder:
    """Remembers the `n` of every `D`."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def DState(self, event: am.Event) -> None:
        self.seen.append(event.args["n"])


async def test_calls_across_many_cuts_are_executed_exactly_once_and_in_order(serve: Any) -> None:
    handlers = Recorder()
    async with serve(handlers=handlers) as pair, pair.connect() as net:
        results = []
        for n in range(400):
            results.append(net.add("D", n=n))
            if n % 20 == 10:
                await trio.testing.wait_all_tasks_blocked(0.001)
                await pair.network.cut()
        with trio.fail_after(10):
            for result in results:
                assert await result is am.EXECUTED
        assert handlers.seen == list(range(400))
        assert net.client.stats.resumes > 1
        await net.sync()
        assert net.time() == pair.source.time()


async def test_one_way_calls_survive_a_cut_too(serve: Any) -> None:
    handlers = Recorder()
    async with serve(handlers=handlers) as pair, pair.connect() as net:
        for n in range(100):
            assert net.add_ns("D", n=n) is am.EXECUTED
            if n % 30 == 10:
                await trio.lowlevel.checkpoint()
                await pair.network.cut()
        with trio.fail_after(5):
            await net.flush()
        assert handlers.seen == list(range(100))
        assert len(net.client.outbox) == 0


async def test_a_call_that_was_executed_but_not_answered_gets_its_stored_outcome(
    serve: Any,
) -> None:
    handlers = Recorder()
    async with serve(handlers=handlers) as pair, pair.connect() as net:
        (server,) = pair.mux.servers.values()
        cut = trio.Event()

        class Cutter:
            def DEnd(self, event: am.Event) -> None:
                server.client.connection.close()
                cut.set()

        pair.source.bind(Cutter())
        await net.add("D", n=1)
        result = net.remove("D")
        with trio.fail_after(5):
            assert await result is am.EXECUTED
        assert cut.is_set()
        assert pair.source.tick("D") == 2
        assert pair.mux.stats.dedup_hits == 1


async def test_mutations_wait_while_there_is_no_server(network: Any) -> None:
    net_ = network()
    handlers = Recorder()
    async with (
        am.Machine(_demo(), handlers=handlers, id="source") as source,
        am_rpc.Client(net_.dial, retry=FAST) as client,
    ):
        async with am_rpc.Mux(source, listener=net_.listener()):
            net = await client.ready()
        await client.mach.when_not("Connected")
        results = [net.add("D", n=n) for n in range(10)]
        assert client.mach.is_("Buffering")
        assert net.tick("D") == 0
        async with am_rpc.Mux(source, listener=net_.listener()):
            with trio.fail_after(5):
                for result in results:
                    assert await result is am.EXECUTED
            assert client.mach.not_("Buffering")
    assert handlers.seen == list(range(10))


async def test_a_full_outbox_cancels_at_once(serve: Any) -> None:
    async with serve() as pair, pair.connect(limits=am_rpc.Limits(calls=3)) as net:
        results = [net.add("B") for _ in range(4)]
        assert [bool(result) for result in results] == [True, True, True, False]
        assert results[3].canceled
        assert "Limits.calls" in str(results[3].error)
        assert net.add_ns("B").canceled
        await net.flush()
        assert await net.add("B") is am.EXECUTED


async def test_without_buffering_a_disconnected_client_cancels(network: Any) -> None:
    net_ = network()
    async with (
        am.Machine(_demo()) as source,
        am_rpc.Client(net_.dial, retry=FAST, on_disconnect="cancel") as client,
    ):
        async with am_rpc.Mux(source, listener=net_.listener()):
            net = await client.ready()
        await client.mach.when_not("Connected")
        refused = net.add("B")
        assert refused.canceled
        assert isinstance(refused.error, am_rpc.NotConnected)


@pytest.mark.parametrize("on_unknown", ["cancel", "resend"])
async def test_a_restarted_server_leaves_written_calls_unknown(
    network: Any, on_unknown: Any
) -> None:
    net_ = network()
    handlers = Recorder()
    async with am_rpc.Client(net_.dial, retry=FAST, on_unknown=on_unknown) as client:
        async with (
            am.Machine(_demo(), id="source") as old,
            am_rpc.Mux(old, listener=net_.listener(), push_interval=0),
        ):
            net = await client.ready()
            old.add("D", n=0)
            await net.when("D")
            context = net.state_ctx("D")
            gone, back = net.when_not("D"), net.when("C")
            net_.lose()
            written = net.add("D", n=1)
            await trio.testing.wait_all_tasks_blocked()
        await client.mach.when_not("Connected")
        fresh = net.add("D", n=2)
        replaced = client.mach.when_next_active("SourceReplaced")
        async with (
            am.Machine(_demo(), handlers=handlers, id="source") as new,
            am_rpc.Mux(new, listener=net_.listener()),
        ):
            with trio.fail_after(5):
                outcome = await written
                assert await fresh is am.EXECUTED
                assert await replaced
                assert await gone
            assert context.expired
            assert not back.done
            if on_unknown == "cancel":
                assert outcome is am.CANCELED
                assert isinstance(written.error, am_rpc.OutcomeUnknown)
                assert handlers.seen == [2]
            else:
                assert outcome is am.EXECUTED
                assert handlers.seen == [1, 2]
            assert net.is_("D")


async def test_a_silent_server_is_given_up_and_the_call_repeated(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    handlers = Recorder()
    async with serve(handlers=handlers) as pair, pair.connect() as net:
        pair.network.lose()
        result = net.add("D", n=1)
        assert await result is am.EXECUTED
        assert handlers.seen == [1]
        assert net.client.stats.reconnects == 1


async def test_a_call_that_is_never_answered_is_canceled_in_the_end(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    net_ = network()
    async with (
        am.Machine(_demo()) as source,
        am_rpc.Client(
            net_.dial, retry=am_rpc.Retry(connect_total=1e9, connect_tries=10**9)
        ) as client,
    ):
        async with am_rpc.Mux(source, listener=net_.listener()):
            net = await client.ready()
        result = net.add("B")
        failed = client.mach.when_next_active("CallRetryFailed")
        assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.NetworkTimeout)
        assert await failed
        with pytest.raises(am_rpc.NetworkTimeout):
            await net.check_add("B")


async def test_heartbeats_keep_an_idle_connection_and_cut_a_dead_one(
    serve: Any, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect() as net:
        await trio.sleep(300)
        assert net.client.stats.reconnects == 0
        assert net.client.stats.rtt_us >= 0
        assert net.client.mach.is_("Ready")
        (server,) = pair.mux.servers.values()
        pair.network.lose(out=True, into=True)
        cut = trio.current_time()
        dead = server.mach.when_next_active("ErrNetworkTimeout")
        lost = net.client.mach.when_not("Connected")
        assert await dead
        assert await lost
        assert 20 <= trio.current_time() - cut <= 45


async def test_a_client_gives_up_after_its_tries(autojump_clock: trio.testing.MockClock) -> None:
    async def refuse() -> trio.abc.Stream:
        raise OSError("no")

    retry = am_rpc.Retry(connect_tries=4)
    async with am_rpc.Client(refuse, retry=retry) as client:
        assert await client.mach.when("ConnRetryFailed")
        assert client.mach.not_("Start", "Connecting")
        with pytest.raises(am_rpc.NetworkError):
            await client.ready()
        with pytest.raises(am_rpc.NotConnected):
            _ = client.net


async def test_a_clean_disconnect_ends_a_client_that_shall_not_reconnect(network: Any) -> None:
    net_ = network()
    async with (
        am.Machine(_demo()) as source,
        am_rpc.Client(net_.dial, retry=am_rpc.Retry(reconnect=False)) as client,
    ):
        async with am_rpc.Mux(source, listener=net_.listener()):
            await client.ready()
        await client.mach.when("Disconnected")
        assert client.mach.not_("RetryingConn")


async def test_stop_ends_a_client_for_good(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        mach = net.client.mach
        await pair.mux.stop()
        with trio.fail_after(10):
            await mach.when_not("Start")
        refused = net.add("B")
        assert refused.canceled
        assert str(refused.error) == "the server stopped this client"


async def test_when_args_is_subscribed_again_after_a_cut(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        wait = net.when_args("D", id=1)
        again = net.client.mach.when_ticks("Ready", 2)
        await trio.testing.wait_all_tasks_blocked()
        await pair.network.cut()
        with trio.fail_after(5):
            await again
            await net.add("D", id=1)
            assert await wait


async def test_a_change_while_disconnected_expires_contexts_and_counts_as_ticked(
    serve: Any,
) -> None:
    async with serve() as pair, pair.connect() as net:
        await net.add("D", n=0)
        context, ticks = net.state_ctx("D"), net.when_ticks("D", 2)
        await pair.network.cut()
        await net.client.mach.when_not("Connected")
        pair.source.remove("D")
        pair.source.add("D", n=1)
        with trio.fail_after(5):
            assert await ticks
        assert context.expired
        assert net.is_("D")
        assert net.tick("D") == 3


async def test_a_client_begins_a_new_session_before_its_ids_run_out(serve: Any) -> None:
    async with serve() as pair, pair.connect() as net:
        client = net.client
        await net.add("B")
        client.last_id = 2**31
        again = client.mach.when_ticks("Ready", 2)
        await pair.network.cut()
        with trio.fail_after(5):
            await again
            assert await net.add("D", n=1) is am.EXECUTED
        assert client.last_id < 100
        assert len(pair.mux.serving.sessions) == 2
        assert net.time() == pair.source.time()


async def test_waits_on_ticks_end_when_the_source_is_another_one(network: Any) -> None:
    net_ = network()
    async with am_rpc.Client(net_.dial, retry=FAST) as client:
        async with am.Machine(_demo()) as old, am_rpc.Mux(old, listener=net_.listener()):
            net = await client.ready()
            ticks, steady = net.when_ticks("B", 5), net.when("B")
            context = net.state_ctx("C")
        await client.mach.when_not("Connected")
        assert not ticks.done
        async with am.Machine(_demo()) as new, am_rpc.Mux(new, listener=net_.listener()):
            with trio.fail_after(5):
                assert await ticks is False
                assert context.expired
                assert not steady.done
                assert await net.add("B") is am.EXECUTED
                assert await steady


def _demo() -> Any:
    class States(am_rpc.StateSource):
        A = am.State(auto=True, require=["B"])
        B = am.State()
        C = am.State(remove=["B"])
        D = am.State(multi=True)

    return States


def pretending(answer_sync: Any) -> Any:
    """A server that pushes a wrong update once, and has its own way to answer `sync`."""

    async def pretend(stream: Any, *, honest: bool) -> None:
        welcome = {"v": 1, "id": "x", "boot": bytes(8), "names": ["A", "Exception"], "t": [0, 0]}
        welcome |= {"schema": {"A": {}, "Exception": {}}, "q": 1, "m": 0, "n": 2}
        unpacker = msgpack.Unpacker()
        while data := await stream.receive_some():
            unpacker.feed(data)
            for message in unpacker:
                answer: list[Any] = [1, message[1], None, None]
                if message[2] == "hello":
                    answer[3] = welcome
                elif message[2] == "a":
                    answer[3] = [1, None]
                elif message[2] == "sync" and not honest:
                    answer = answer_sync(answer)
                await stream.send_all(msgpack.packb(answer))
                if message[2] == "ready" and not honest:
                    await stream.send_all(msgpack.packb([2, "u", [[0, 1], 1, 0, 999]]))

    return pretend


@pytest.mark.parametrize("answer", ["refused", "lost"])
async def test_a_resync_without_full_values_starts_the_connection_over(
    network: Any, answer: str, autojump_clock: trio.testing.MockClock
) -> None:
    def refuse(usual: list[Any]) -> list[Any]:
        return [1, usual[1], [11, "internal"], None]

    def lose(usual: list[Any]) -> list[Any]:
        return [1, 9999, None, None]

    net_ = network()
    listener = net_.listener()
    pretend = pretending(refuse if answer == "refused" else lose)
    async with trio.open_nursery() as nursery, am_rpc.Client(net_.dial, retry=FAST) as client:
        nursery.start_soon(functools.partial(pretend, await listener.accept(), honest=False))
        net = await client.ready()
        held = net.add("A")
        start = trio.current_time()
        with trio.fail_after(5):
            again = await listener.accept()
        assert trio.current_time() - start <= FAST.call_timeout + 0.1
        nursery.start_soon(functools.partial(pretend, again, honest=True))
        with trio.fail_after(10):
            await client.mach.when("Ready")
        assert held.settled
        assert client.stats.checksum_errors == 1
        assert net.time() == (0, 0)
        nursery.cancel_scope.cancel()


async def test_a_message_without_end_starts_the_connection_over(
    network: Any, autojump_clock: trio.testing.MockClock
) -> None:
    net_ = network()
    listener = net_.listener()
    pretend = pretending(lambda usual: usual)
    async with trio.open_nursery() as nursery, am_rpc.Client(net_.dial, retry=FAST) as client:
        stream = await listener.accept()
        nursery.start_soon(functools.partial(pretend, stream, honest=True))
        net = await client.ready()
        assert await net.add("A") is am.EXECUTED
        # A text of 65,535 bytes, which swallows every answer from now on.
        await stream.send_all(b"\xda\xff\xff")
        stuck = net.add("A")
        start = trio.current_time()
        with trio.fail_after(60):
            again = await listener.accept()
        limits = am_rpc.Limits()
        assert limits.dead <= trio.current_time() - start <= limits.dead + limits.heartbeat + 1
        nursery.start_soon(functools.partial(pretend, again, honest=True))
        with trio.fail_after(5):
            await stuck
        nursery.cancel_scope.cancel()
