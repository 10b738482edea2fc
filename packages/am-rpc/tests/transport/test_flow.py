"""Bytes in both directions at once, through buffers that fill up: some byte can always move."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

import am_machine as am
import am_rpc
from am_rpc._transport.writer import must_wait

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
# For the model, in which a byte is as good as a KiB.
LIMITS = am_rpc.Limits(unread_responses=4, unread_bytes=256)


class Pipe:
    """One direction of a connection: takes so many bytes, then its writer waits."""

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._data = bytearray()
        self._closed = False
        self._moved = trio.Event()

    def _tell(self) -> None:
        self._moved.set()
        self._moved = trio.Event()

    async def put(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        view = memoryview(bytes(data))
        while len(view):
            if self._closed:
                raise trio.BrokenResourceError
            room = self._capacity - len(self._data)
            if room:
                self._data += view[:room]
                view = view[room:]
                self._tell()
            else:
                await self._moved.wait()

    async def get(self, most: int | None) -> bytes:
        await trio.lowlevel.checkpoint()
        while not self._data and not self._closed:
            await self._moved.wait()
        data = bytes(self._data[:most])
        del self._data[:most]
        self._tell()
        return data

    def close(self) -> None:
        self._closed = True
        self._tell()


class BoundedStream(trio.abc.Stream):
    """One end of a connection whose buffers are as small as a kernel's."""

    def __init__(self, out: Pipe, into: Pipe) -> None:
        self._out = out
        self._into = into

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._out.put(data)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return await self._into.get(max_bytes)

    async def aclose(self) -> None:
        self._out.close()
        self._into.close()
        await trio.lowlevel.checkpoint()


def bounded_pair(up: int, down: int) -> tuple[BoundedStream, BoundedStream]:
    """The ends of a client and of a server; the numbers are bytes."""
    way_up, way_down = Pipe(up), Pipe(down)
    return BoundedStream(way_up, way_down), BoundedStream(way_down, way_up)


class Mail:
    """Takes payloads."""

    def __init__(self) -> None:
        self.got = 0

    def ServerPayloadState(self, event: am.Event) -> None:
        self.got += len(event.args["data"])


@pytest.mark.trio
@pytest.mark.parametrize("capacity", [KIB, 64 * KIB])
async def test_large_calls_up_and_payloads_down_pass_each_other(
    demo_states: Any, capacity: int, autojump_clock: trio.testing.MockClock
) -> None:
    calls, size, payload = 100, 60 * KIB, 7 * KIB * KIB
    ours, theirs = bounded_pair(capacity, capacity)
    mail = Mail()

    async def dial() -> trio.abc.Stream:
        return ours

    async with (
        am.Machine(demo_states) as source,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Server(source, stream=theirs) as server,
        am_rpc.Client(dial, consumer=consumer) as client,
        trio.open_nursery() as nursery,
    ):
        net = await client.ready()
        start = trio.current_time()
        nursery.start_soon(server.send_payload, "large", bytes(payload))
        results = [net.add("D", data=bytes(size)) for _ in range(calls)]
        assert {await result for result in results} == {am.EXECUTED}
        # Nobody had to wait for anything but the other side.
        assert trio.current_time() - start < 1
    assert mail.got == payload
    assert client.stats.reconnects <= 1


@pytest.mark.trio
async def test_a_client_whose_calls_fill_all_buffers_still_answers(
    demo_states: Any, autojump_clock: trio.testing.MockClock
) -> None:
    # All that a client may hold is on its way, and each payload asks for one more answer.
    ours, theirs = bounded_pair(KIB, KIB)
    mail = Mail()

    async def dial() -> trio.abc.Stream:
        return ours

    limits = am_rpc.Limits(calls=50, calls_bytes=3_000_000, out_bytes=3_000_000, out_items=50)
    async with (
        am.Machine(demo_states) as source,
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.Server(source, stream=theirs) as server,
        am_rpc.Client(dial, consumer=consumer, limits=limits) as client,
    ):
        net = await client.ready()
        results = [net.add("D", data=bytes(59_000)) for _ in range(50)]
        assert all(results)
        for _ in range(60):
            server.post_payload("small", bytes(100))
        assert {await result for result in results} == {am.EXECUTED}
        await trio.testing.wait_all_tasks_blocked()
    assert mail.got == 6_000
    assert client.last_error is None


class SlowStream(BoundedStream):
    """Reads a few bytes twenty times a second."""

    def __init__(self, out: Pipe, into: Pipe, bytes_at_a_time: int) -> None:
        super().__init__(out, into)
        self._most = bytes_at_a_time

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        # In this order: whoever is cancelled while it waits has taken nothing.
        await trio.sleep(0.05)
        return await super().receive_some(self._most)


@pytest.mark.trio
@pytest.mark.parametrize("slow", ["up", "down"])
async def test_a_slow_line_that_moves_is_neither_cut_nor_burdened_with_repeats(
    demo_states: Any, slow: str, autojump_clock: trio.testing.MockClock
) -> None:
    # Up it is one write, longer than a stall may last; each call alone takes half a second.
    calls, data = (40, bytes(10 * KIB)) if slow == "up" else (400, b"")
    up, down = Pipe(4 * KIB), Pipe(4 * KIB)
    client_end = SlowStream(up, down, 512 if slow == "up" else 16)
    server_end = SlowStream(down, up, KIB)

    async def dial() -> trio.abc.Stream:
        return client_end

    async with (
        am.Machine(demo_states) as source,
        am_rpc.Server(source, stream=server_end, push_interval=None) as server,
        am_rpc.Client(dial, retry=am_rpc.Retry(call_timeout=1)) as client,
    ):
        net = await client.ready(30)
        start = trio.current_time()
        results = [net.add("D", data=data) for _ in range(calls)]
        assert {await result for result in results} == {am.EXECUTED}
        assert 15 < trio.current_time() - start < 30
        assert server.stats.dedup_hits == 0


# The same as a model: what is in four buffers, who may move it, and nothing else.


class Ends:
    """A client, a server, and what lies between them and within them, as message sizes.

    Args:
        up, down: bytes that the two directions of the connection hold.
        calls: sizes of the calls that the client makes, and of their answers.
        payloads: sizes of what the server sends by itself, and of the receipts for it.
        client_waits: what the rule was once: both sides stop reading while much waits to be
            written.
    """

    def __init__(
        self,
        up: int,
        down: int,
        calls: list[tuple[int, int]],
        payloads: list[tuple[int, int]],
        *,
        client_waits: bool = False,
    ) -> None:
        self.room = {"up": up, "down": down}
        # Whole messages, as (bytes, what the receiver answers), waiting to be written.
        self.out: dict[str, deque[tuple[int, int]]] = {"up": deque(calls), "down": deque(payloads)}
        # How much of the first one has left, how many bytes are on their way or were read.
        self.begun = {"up": 0, "down": 0}
        self.between = {"up": 0, "down": 0}
        self.read = {"up": 0, "down": 0}
        # What was written, in order, and is not wholly read yet.
        self.coming: dict[str, deque[tuple[int, int]]] = {"up": deque(), "down": deque()}
        self.client_waits = client_waits

    def waiting(self, way: str) -> int:
        # As a connection counts: what is being written counts until all of it has left.
        return sum(size for size, _ in self.out[way])

    def can_write(self, way: str) -> bool:
        return bool(self.out[way]) and self.between[way] < self.room[way]

    def write(self, way: str, most: int) -> None:
        size, _ = self.out[way][0]
        moved = min(most, size - self.begun[way], self.room[way] - self.between[way])
        self.begun[way] += moved
        self.between[way] += moved
        if self.begun[way] == size:
            self.coming[way].append(self.out[way].popleft())
            self.begun[way] = 0

    def can_read(self, way: str) -> bool:
        """Whether there is something to read, and its reader does not wait for its writer."""
        back = "down" if way == "up" else "up"
        is_client = way == "down" and not self.client_waits
        waits = must_wait(is_client, len(self.out[back]), self.waiting(back), LIMITS)
        return self.between[way] > 0 and not waits

    def take(self, way: str, most: int) -> None:
        moved = min(most, self.between[way])
        self.between[way] -= moved
        self.read[way] += moved
        back = "down" if way == "up" else "up"
        while self.coming[way] and self.read[way] >= self.coming[way][0][0]:
            size, answer = self.coming[way].popleft()
            self.read[way] -= size
            if answer:
                self.out[back].append((answer, 0))

    def moves(self) -> list[Callable[[int], None]]:
        """Every step that is possible now."""
        steps: list[Callable[[int], None]] = []
        for way in ("up", "down"):
            if self.can_write(way):
                steps.append(lambda most, way=way: self.write(way, most))
            if self.can_read(way):
                steps.append(lambda most, way=way: self.take(way, most))
        return steps

    @property
    def is_done(self) -> bool:
        return not any((*self.out.values(), *self.between.values()))


BUFFER = st.integers(1, 200)
CALLS = st.lists(st.tuples(st.integers(1, 64), st.integers(1, 20)), max_size=30)
PAYLOADS = st.lists(st.tuples(st.integers(1, 256), st.integers(1, 20)), max_size=30)
SCHEDULE = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 100)))


@given(BUFFER, BUFFER, CALLS, PAYLOADS, SCHEDULE)
@settings(deadline=None)
def test_some_byte_can_always_move_until_all_have_arrived(
    up: int,
    down: int,
    calls: list[tuple[int, int]],
    payloads: list[tuple[int, int]],
    schedule: list[tuple[int, int]],
) -> None:
    ends = Ends(up, down, calls, payloads)
    steps = deque(schedule)
    while not ends.is_done:
        possible = ends.moves()
        assert possible, vars(ends)
        pick, most = steps.popleft() if steps else (0, 100)
        possible[pick % len(possible)](most)


def test_two_ends_that_both_wait_for_their_writers_can_stand_still() -> None:
    calls, payloads = [(60, 12)] * 6, [(600, 4)]
    for client_waits in (True, False):
        ends = Ends(64, 64, calls, payloads, client_waits=client_waits)
        while possible := ends.moves():
            possible[0](100)
        assert ends.is_done is not client_waits
