"""Payloads that are posted: their end is told to a callback, and no task waits for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing

import am_machine as am
import am_rpc
from am_rpc.testing import socket_writes

if TYPE_CHECKING:
    from collections.abc import Callable

    from am_rpc import DeliveryError

pytestmark = pytest.mark.trio


class Ends:
    """Remembers how deliveries ended."""

    def __init__(self) -> None:
        self.told: list[DeliveryError | None] = []
        self.some = trio.Event()

    def __call__(self, error: DeliveryError | None) -> None:
        self.told.append(error)
        self.some.set()

    async def first(self) -> DeliveryError | None:
        with trio.fail_after(20):
            await self.some.wait()
        (error,) = self.told
        return error


class Taker:
    """A consumer's handlers, which may refuse, or answer with a mutation."""

    def __init__(self) -> None:
        self.refuses = False
        self.net: Any = None

    def ServerPayloadEnter(self, event: am.Event) -> bool:
        return not self.refuses

    def ServerPayloadState(self, event: am.Event) -> None:
        if self.net is not None:
            self.net.add("D")


class CountingStream(trio.abc.Stream):
    """Counts what is written at once."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.writes = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


@pytest.fixture
def taker() -> Taker:
    return Taker()


@pytest.fixture
def consumer(taker: Taker) -> am.Machine:
    return am.Machine(am_rpc.Consumer, handlers=taker)


def only_server(pair: Any) -> am_rpc.Server:
    (server,) = pair.mux.servers.values()
    assert isinstance(server, am_rpc.Server)
    return server


@pytest.mark.parametrize("size", [3, 400_000])
async def test_a_payload_that_was_taken_is_told_with_none(
    serve: Any, consumer: am.Machine, size: int
) -> None:
    async with serve() as pair, pair.connect(consumer=consumer):
        ends, server = Ends(), only_server(pair)
        server.post_payload("x", b"x" * size, done=ends)
        assert await ends.first() is None
        assert server.stats.payloads == 1
        assert server.client is not None
        assert not len(server.client.session.undelivered)


@pytest.mark.parametrize("size", [3, 400_000])
async def test_a_refusal_is_told_and_becomes_a_state(
    serve: Any, consumer: am.Machine, taker: Taker, size: int
) -> None:
    taker.refuses = True
    async with serve() as pair, pair.connect(consumer=consumer):
        ends, server = Ends(), only_server(pair)
        server.post_payload("x", b"x" * size, done=ends)
        assert isinstance(await ends.first(), am_rpc.DeliveryError)
        assert server.mach.is_("ErrDelivery")


async def test_what_is_not_taken_in_time_is_told_once(
    serve: Any, consumer: am.Machine, autojump_clock: trio.testing.MockClock
) -> None:
    async with serve() as pair, pair.connect(consumer=consumer):
        ends, server = Ends(), only_server(pair)
        server.post_payload("taken", 1, done=ends)
        assert await ends.first() is None
        pair.network.lose()
        late = Ends()
        start = trio.current_time()
        server.post_payload("late", 1, done=late)
        await trio.sleep(1)
        server.post_payload("later", 2, done=late)
        assert "in time" in str(await late.first())
        assert trio.current_time() - start == pytest.approx(5)
        await trio.sleep(1.1)
        assert [str(error) for error in late.told] == [
            "payload late was not taken in time",
            "payload later was not taken in time",
        ]
        assert server.client is not None
        assert len(server.client.session.undelivered) == 2, "sent again after a resume"


@pytest.mark.parametrize("size", [3, 400_000])
async def test_the_end_of_the_connection_is_told(
    serve: Any, consumer: am.Machine, size: int
) -> None:
    async with serve() as pair, pair.connect(consumer=consumer):
        ends, server = Ends(), only_server(pair)
        pair.network.lose()
        server.post_payload("x", b"x" * size, done=ends)
        await trio.testing.wait_all_tasks_blocked()
        assert ends.told == []
        await pair.network.cut()
        error = await ends.first()
        assert "ended" in str(error) or "closed" in str(error)


async def test_an_answer_to_a_payload_leaves_with_its_acknowledgement(
    serve: Any, consumer: am.Machine, taker: Taker
) -> None:
    async with serve() as pair:
        streams: list[CountingStream] = []

        async def dial() -> trio.abc.Stream:
            streams.append(CountingStream(await pair.network.dial()))
            return streams[-1]

        async with am_rpc.Client(dial, consumer=consumer) as client:
            taker.net = await client.ready()
            ends = Ends()
            before = streams[0].writes
            only_server(pair).post_payload("x", 1, done=ends)
            assert await ends.first() is None
            await taker.net.flush()
            assert pair.source.tick("D") == 1
            assert streams[0].writes - before == 1


async def test_what_a_woken_task_sends_leaves_with_the_outcome(consumer: am.Machine) -> None:
    asked, ends = trio.Event(), Ends()
    releases: list[Callable[[], None]] = []

    class Source:
        def DState(self, event: am.Event) -> None:
            asked.set()
            releases.append(server.cork())

    async def post() -> None:
        await asked.wait()
        server.post_payload("x", 1, done=ends)

    async def release() -> None:
        await asked.wait()
        releases[-1]()
        releases[-1]()

    async with (
        am.Machine({"D": {"multi": True}}, handlers=Source()) as source,
        am_rpc.Mux(source, "127.0.0.1:0") as mux,
        am_rpc.Client(mux.addr, consumer=consumer) as client,
    ):
        net = await client.ready()
        (server,) = mux.servers.values()
        assert server.client is not None
        fd = server.client.connection.stream.socket.fileno()  # type: ignore[attr-defined]
        with socket_writes() as written:
            source.fork(post)
            assert await net.add("D") is am.EXECUTED
            assert written.count(fd) == 1
            assert await ends.first() is None
            assert written.count(fd) == 1
            # Without anything to send, the outcome leaves when it is told to.
            asked = trio.Event()
            source.fork(release)
            assert await net.add("D") is am.EXECUTED
            assert written.count(fd) == 2
    server.cork()()  # nobody is connected


@pytest.mark.parametrize("released", [False, True])
async def test_what_is_withheld_leaves_with_the_next_answer_unless_the_handler_released_it(
    serve: Any, autojump_clock: Any, released: bool
) -> None:
    class Source:
        def DState(self, event: am.Event) -> None:
            release = only_server(pair).cork()
            if released:
                release()

    async with (
        serve(handlers=Source()) as pair,
        am_rpc.Client(pair.network.dial) as client,
    ):
        net = await client.ready()
        result = net.add("D")
        await trio.testing.wait_all_tasks_blocked()
        assert pair.source.tick("D") == 1
        assert result.outcome is (am.EXECUTED if released else None)
        await net.sync()
        assert result.outcome is am.EXECUTED


@pytest.mark.parametrize("is_corked_first", [True, False])
async def test_a_payload_of_the_very_handler_takes_the_outcome_along(
    serve: Any, consumer: am.Machine, autojump_clock: Any, is_corked_first: bool
) -> None:
    ends = Ends()

    class Source:
        def DState(self, event: am.Event) -> None:
            server = only_server(pair)
            if is_corked_first:
                server.cork()
            server.post_payload("x", 1, done=ends)
            if not is_corked_first:
                server.cork()

    async with (
        serve(handlers=Source()) as pair,
        am_rpc.Client(pair.network.dial, consumer=consumer) as client,
    ):
        net = await client.ready()
        began = trio.current_time()
        assert await net.add("D") is am.EXECUTED
        assert await ends.first() is None
        assert trio.current_time() == began


@pytest.mark.parametrize("states", ["DB", "BD"])
async def test_an_outcome_that_is_kept_back_holds_up_no_other(
    serve: Any, autojump_clock: Any, states: str
) -> None:
    class Source:
        def DState(self, event: am.Event) -> None:
            only_server(pair).cork()

    async with serve(handlers=Source()) as pair, am_rpc.Client(pair.network.dial) as client:
        net = await client.ready()
        began = trio.current_time()
        for result in [net.add(state) for state in states]:
            assert await result is am.EXECUTED
        assert trio.current_time() == began
