"""Args larger than one message: they arrive whole, once, in order, and cost others nothing."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from trio.testing import MockClock

pytestmark = pytest.mark.trio
BIG = b"x" * 300_000
HELLO = {"v": 1, "id": "rc-x", "se": bytes(8)}


class Log:
    """Notes the args of what was executed."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def DState(self, event: am.Event) -> None:
        self.seen.append(event.args.get("n", event.args.get("data")))

    def DEnd(self, event: am.Event) -> None:
        self.seen.append(event.args.get("data"))


class Raw:
    """A client by hand."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._unpacker = msgpack.Unpacker()

    async def shake_hands(self) -> None:
        await self.send([0, 1, "hello", [HELLO]])
        await self.answer(1)
        await self.send([0, 2, "ready", []])
        await self.answer(2)

    async def send(self, message: Any) -> None:
        await self.stream.send_all(msgpack.packb(message))

    async def answer(self, call_id: int) -> Any:
        while True:
            for message in self._unpacker:
                if message[0] == 1 and message[1] == call_id:
                    return message[2] or message[3]
            data = await self.stream.receive_some()
            assert data, "the server has closed"
            self._unpacker.feed(data)


def kept(pair: Any) -> int:
    return pair.mux.serving.sessions.budget.used


# More than a refusal takes, which is kept for those who ask again.
REFUSAL = 1300


@pytest.mark.parametrize("method", ["add", "toggle", "add_ns"])
async def test_they_arrive_with_every_way_to_activate(serve: Any, method: str) -> None:
    log = Log()
    async with serve(handlers=log) as pair, pair.connect() as net:
        data = {"rows": [[n, "text" * 20, None] for n in range(5000)], "blob": BIG}
        await getattr(net, method)("D", data=data)
        await net.flush()
        assert log.seen == [data]
        assert kept(pair) == 0
        assert pair.mux.stats.errors == 0


@pytest.mark.parametrize("method", ["remove", "set"])
async def test_they_arrive_with_every_way_to_deactivate(serve: Any, method: str) -> None:
    log = Log()
    async with serve(handlers=log) as pair, pair.connect() as net:
        await net.add("D", n=0)
        assert await getattr(net, method)(*["D", "B"][method == "set" :], data=BIG) is am.EXECUTED
        assert log.seen == [0, BIG]


async def test_they_arrive_with_an_error(serve: Any) -> None:
    got = []
    handlers = {"ExceptionState": lambda event: got.append(event.args["data"])}
    async with serve(handlers=handlers) as pair, pair.connect() as net:
        assert await net.add_err(ValueError("x"), data=BIG) is am.EXECUTED
        assert got[-1] == BIG
        assert isinstance(pair.source.err, am_rpc.RemoteError)


async def test_order_of_calls_is_kept_around_them(serve: Any) -> None:
    log = Log()
    async with serve(handlers=log) as pair, pair.connect() as net:
        for n in range(60):
            call = net.add_ns if n % 7 == 0 else net.add
            call("D", n=n, pad=BIG if n % 4 == 0 else None)
        await net.flush()
        assert log.seen == list(range(60))
        assert net.client.stats.reconnects == 0
        assert kept(pair) == 0


async def test_cut_amid_their_chunks_they_are_executed_once(
    serve: Any, autojump_clock: MockClock
) -> None:
    log = Log()
    rng = random.Random(5)
    async with serve(handlers=log) as pair, pair.connect() as net:
        results = []
        for n in range(30):
            end = pair.network.client_ends[-1] if pair.network.client_ends else None
            if end is not None and n % 2:
                end.swallows_after = rng.randrange(700_000)
            results.append(net.add("D", n=n, pad=BIG if n % 3 else None))
            await trio.sleep(rng.random() * 0.01)
            if n % 2:
                await pair.network.cut()
        for result in results:
            assert await result is am.EXECUTED, result.error
        assert log.seen == list(range(30))
        assert kept(pair) == 0


async def test_what_is_not_allowed_is_refused_at_the_first_chunk(serve: Any) -> None:
    access = am_rpc.Access(write=["B"])
    async with serve(access=access) as pair, pair.connect() as net:
        result = net.add("D", data=bytes(8 << 20))
        assert await result is am.CANCELED
        assert isinstance(result.error, am_rpc.NoAccess)
        # Most of it was never sent.
        assert net.client.stats.bytes_out < 4 << 20
        assert kept(pair) < REFUSAL
        assert await net.add("B") is am.EXECUTED
        assert net.client.stats.reconnects == 0


async def test_where_there_is_no_room_they_are_sent_again(
    serve: Any, autojump_clock: MockClock
) -> None:
    log = Log()
    async with (
        serve(handlers=log, limits=am_rpc.Limits(store_bytes=500_000)) as pair,
        pair.connect() as net,
    ):
        budget = pair.mux.serving.sessions.budget
        budget.take(400_000, "something else")
        results = [net.add("D", n=n, pad=BIG if n == 1 else None) for n in range(3)]
        await trio.sleep(1)
        assert log.seen == [0]
        budget.give(400_000)
        assert [await result for result in results] == [am.EXECUTED] * 3
        assert log.seen == [0, 1, 2]
        assert budget.used == 0
        assert pair.mux.stats.errors == 0


async def test_where_there_is_never_room_they_end_in_time_and_others_go_on(
    serve: Any, autojump_clock: MockClock
) -> None:
    log = Log()
    retry = am_rpc.Retry(connect_delay=0.01, call_tries=3)
    async with (
        serve(handlers=log, limits=am_rpc.Limits(store_bytes=500_000)) as pair,
        pair.connect(retry=retry) as net,
    ):
        pair.mux.serving.sessions.budget.take(400_000, "something else")
        large, other = net.add("D", n=0, pad=BIG), net.add("D", n=1)
        began = trio.current_time()
        assert await large is am.CANCELED
        assert trio.current_time() - began < 2
        assert isinstance(large.error, am_rpc.LimitExceeded)
        assert await other is am.EXECUTED
        assert log.seen == [1]


async def test_a_peer_that_never_finishes_is_told_and_nothing_is_kept(
    serve: Any, autojump_clock: MockClock
) -> None:
    async with serve(limits=am_rpc.Limits(large_timeout=20)) as pair:
        raw = Raw(await pair.network.dial())
        await raw.shake_hands()
        states = [pair.source.schema.names.index("D")]
        await raw.send([2, "ac", [3, 0, 900, bytes(60_000), "a", states]])
        for index in range(1, 30):
            await raw.send([2, "ac", [3, index, 900, bytes(60_000)]])
        await trio.testing.wait_all_tasks_blocked()
        assert kept(pair) == 30 * 60_000
        began = trio.current_time()
        code, text = await raw.answer(3)
        assert trio.current_time() - began == pytest.approx(20, abs=0.1)
        assert (code, "large_timeout" in text) == (7, True)
        assert kept(pair) < REFUSAL
        # The same number is refused for good; the next one is not.
        await raw.send([0, 3, "a", [states, 900]])
        assert (await raw.answer(3))[0] == 7
        await raw.send([0, 4, "a", [states]])
        assert (await raw.answer(4))[0] == 1
        await trio.aclose_forcefully(raw.stream)


async def test_a_peer_that_leaves_amid_them_leaves_nothing(serve: Any) -> None:
    async with serve() as pair:
        raw = Raw(await pair.network.dial())
        await raw.shake_hands()
        await raw.send([2, "ac", [3, 0, 900, bytes(60_000), "a", [2]]])
        await trio.testing.wait_all_tasks_blocked()
        assert kept(pair) == 60_000
        await trio.aclose_forcefully(raw.stream)
        await trio.testing.wait_all_tasks_blocked()
        assert kept(pair) == 0


@pytest.mark.parametrize(
    "chunks",
    [
        [[3, 1, 2, b"x"]],
        [[3, 0, 2, b"\x80", "a", [2]], [3, 0, 3, b"x", "a", [2]], [3, 2, 3, b"x"]],
        [[3, 0, 0, b"\x80", "a", [2]]],
        [[3, 0, 1, b"\x80", "nonsense", [2]]],
        [[3, 0, 1, b"\x80", "a", [999]]],
        [[3, 0, 1, b"\x80"]],
        [[3, 0, 1, b"\x93\x01\x02\x03", "a", [2]]],
        [[3, 0, 1, b"\x81\xa1x", "a", [2]]],
        [[3, 0, 1, b"\x80\x80", "a", [2]]],
        [[3, 0, 1, b"\x81\xa2_x\x01", "a", [2]]],
        [[3, 0, 1, b"\x81\xa1x\xc7\x01\x05\x01", "a", [2]]],
        [[3, 0, 1, b"\x81\xa1x" + b"\x91" * 40 + b"\x01", "a", [2]]],
    ],
)
async def test_chunks_that_make_no_args_are_refused_and_the_connection_goes_on(
    serve: Any, chunks: list[Any]
) -> None:
    async with serve() as pair:
        before = pair.source.time()
        raw = Raw(await pair.network.dial())
        await raw.shake_hands()
        for chunk in chunks:
            await raw.send([2, "ac", chunk])
        await raw.send([0, 3, "a", [[2], chunks[-1][2]]])
        code, _ = await raw.answer(3)
        assert code in (3, 4, 5, 6, 7)
        assert pair.source.time() == before
        assert kept(pair) < REFUSAL
        await raw.send([0, 4, "a", [[pair.source.schema.names.index("D")]]])
        assert (await raw.answer(4))[0] == 1
        await trio.aclose_forcefully(raw.stream)


async def test_a_call_that_is_given_up_amid_them_is_forgotten(
    serve: Any, autojump_clock: MockClock
) -> None:
    log = Log()
    retry = am_rpc.Retry(connect_delay=0.01, call_total=5)
    async with serve(handlers=log) as pair, pair.connect(retry=retry) as net:
        pair.network.client_ends[0].loses_out = True
        large = net.add("D", n=0, pad=BIG)
        began = trio.current_time()
        assert await large is am.CANCELED
        assert isinstance(large.error, am_rpc.OutcomeUnknown | am_rpc.NetworkTimeout)
        assert trio.current_time() - began <= 5 + 3
        await pair.network.cut()
        assert await net.add("D", n=1) is am.EXECUTED
        assert log.seen == [1]
        assert net.client.outbox.has_room(0, 64 << 20)


async def test_a_client_holds_only_so_much_of_them(serve: Any, autojump_clock: MockClock) -> None:
    limits = am_rpc.Limits(large_args=1_000_000)
    async with serve() as pair, pair.connect(limits=limits) as net:
        pair.network.lose()
        held = [net.add("D", pad=BIG) for _ in range(3)]
        refused = net.add("D", pad=BIG)
        assert refused.outcome is am.CANCELED
        assert "large_args" in str(refused.error)
        assert all(result.outcome is None for result in held)
        assert net.add("D").outcome is None
        await pair.network.cut()
        assert {await result for result in held} == {am.EXECUTED}


async def test_a_relay_of_a_relay_passes_them_on(serve: Any, network: Any) -> None:
    log = Log()
    first, second = network(), network()
    async with (
        serve(handlers=log) as pair,
        pair.connect() as middle,
        am_rpc.Mux(middle, listener=first.listener()),
        am_rpc.connect(first.dial) as upper,
        am_rpc.Mux(upper, listener=second.listener()),
        am_rpc.connect(second.dial) as leaf,
    ):
        assert await leaf.add("D", data=BIG) is am.EXECUTED
        assert log.seen == [BIG]
        leaf.add_ns("D", data=[0] * 2000)
        await leaf.flush()
        assert log.seen[1] == [0] * 2000


async def test_thirty_two_mebibytes_leave_neighbours_their_turns() -> None:
    log = Log()
    rounds: list[float] = []
    async with (
        am.Machine({"D": {"multi": True}}, handlers=log, id="source") as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.connect(mux.addr) as net,
        am_rpc.connect(mux.addr) as neighbour,
    ):
        data = random.Random(1).randbytes(32 << 20)
        async with trio.open_nursery() as nursery:

            async def call() -> None:
                assert await net.add("D", data=data) is am.EXECUTED
                nursery.cancel_scope.cancel()

            nursery.start_soon(call)
            while True:
                began = trio.current_time()
                await neighbour.add("D", n=0)
                rounds.append(trio.current_time() - began)
        assert [seen for seen in log.seen if seen != 0] == [data]
        assert net.client.stats.reconnects == 0
    rounds.sort()
    assert len(rounds) > 50
    assert rounds[int(len(rounds) * 0.95)] <= 0.05
