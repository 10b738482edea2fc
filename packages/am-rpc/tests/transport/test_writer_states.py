"""When bytes leave: each cell of the table at the head of the writer's module."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgpack
import pytest
import trio
import trio.testing

import am_rpc
from am_rpc._stats import Stats
from am_rpc._transport import writer
from am_rpc._transport.driver import Connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

MARK, KEPT = b"<mark>", b"<kept>"
PING = msgpack.packb([0, 1, "ping", []])
ROWS = ("send", "send_at_once", "write_now", "wake", "wake_at")
COLUMNS = ("idle", "held", "writing", "closed")
# Words of the table -> when the bytes leave.
MEANINGS = {
    "by the writer": "soon",
    "asks, by it": "soon",
    "asks, when due": "due",
    "at once": "now",
    "asks, at once": "now",
    "with the batch": "with the batch",
    "after the write": "after the write",
    "dropped": "never",
    "nothing": "never",
}
DELAY = 5.0


class Ends:
    """A connection on a plain socket, and the peer of it."""

    def __init__(self, connection: Connection, peer: Any) -> None:
        self.connection = connection
        self.peer = peer
        self.is_due = False
        self.on_event: Callable[[], None] = lambda: None
        connection.produce = self.produce

    def produce(self, now: float, out: list[bytes]) -> float | None:
        if self.is_due:
            if self.wanted_at > now:
                return self.wanted_at
            self.is_due = False
            out.append(MARK)
        return None

    wanted_at = 0.0

    def call(self, name: str) -> None:
        connection, now = self.connection, trio.current_time()
        if name.startswith("send"):
            getattr(connection, name)(MARK)
            return
        self.is_due = True
        if name == "wake_at":
            self.wanted_at = now + DELAY
            connection.wake_at(self.wanted_at)
        elif name == "write_now":
            connection.write_now(now)
        else:
            connection.wake()

    def arrived(self) -> bytes:
        try:
            return bytes(self.peer.recv(1 << 24))
        except BlockingIOError:
            return b""


@asynccontextmanager
async def ends() -> AsyncIterator[Ends]:
    ours, theirs = trio.socket.socketpair()
    limits = am_rpc.Limits(out_bytes=1 << 26, unread_bytes=1 << 26)
    protocol = am_rpc.Protocol(client=False)
    connection = Connection(trio.SocketStream(ours), protocol, limits, Stats())
    peer = theirs._sock.dup()
    peer.setblocking(False)
    theirs.close()
    found = Ends(connection, peer)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(connection.run, lambda event: found.on_event())
            await trio.testing.wait_all_tasks_blocked()
            yield found
            connection.close()
    finally:
        peer.close()


def cells() -> dict[tuple[str, str], str]:
    """The table as written down."""
    lines = [line for line in (writer.__doc__ or "").splitlines() if line.startswith("|")]
    rows = [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines]
    assert rows[0] == ["call", *COLUMNS]
    return {(row[0], column): row[at] for row in rows[2:] for at, column in enumerate(COLUMNS, 1)}


def test_the_table_has_every_call_and_state() -> None:
    assert set(cells()) == {(row, column) for row in ROWS for column in COLUMNS}
    assert set(cells().values()) == set(MEANINGS)


@pytest.mark.trio
@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("row", ROWS)
async def test_bytes_leave_when_the_table_says(
    row: str, column: str, autojump_clock: trio.testing.MockClock
) -> None:
    expected = MEANINGS[cells()[row, column]]
    # A held batch asks at its end; what is due later is later in any state.
    late = row == "wake_at"
    async with ends() as pair:
        if column == "held":
            seen: list[bytes] = []

            def act() -> None:
                pair.call(row)
                seen.append(pair.arrived())

            pair.on_event = act
            pair.peer.send(PING)
            await trio.testing.wait_all_tasks_blocked()
            assert seen == [b""]
            assert pair.arrived() == (b"" if late else MARK)
        elif column == "writing":
            size = 1 << 24
            pair.connection.send(bytes(size))
            await trio.testing.wait_all_tasks_blocked()
            assert pair.connection.is_writing
            pair.call(row)
            await trio.testing.wait_all_tasks_blocked()
            got = b""
            while len(got) < size:
                got += pair.arrived()
                await trio.testing.wait_all_tasks_blocked()
            rest = got[size:] + pair.arrived()
            assert rest == (b"" if late else MARK)
        else:
            if column == "closed":
                pair.connection.close()
            pair.call(row)
            assert pair.arrived() == (MARK if expected == "now" else b"")
            await trio.testing.wait_all_tasks_blocked()
            assert pair.arrived() == (MARK if expected == "soon" else b"")
        if late:
            await trio.sleep(DELAY + 0.1)
            assert pair.arrived() == (b"" if expected == "never" else MARK)
        assert pair.arrived() == b""


@pytest.mark.trio
async def test_a_burst_leaves_together_by_the_writer(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with ends() as pair:
        for _ in range(3):
            pair.call("send_at_once")
        assert pair.arrived() == MARK
        await trio.testing.wait_all_tasks_blocked()
        assert pair.arrived() == 2 * MARK


@pytest.mark.trio
@pytest.mark.parametrize("when", ["before it", "after it", "later"])
@pytest.mark.parametrize("row", ROWS)
async def test_what_is_kept_back_leaves_with_what_comes_next(
    row: str, when: str, autojump_clock: trio.testing.MockClock
) -> None:
    async with ends() as pair:

        def act() -> None:
            if when == "before it":
                pair.call(row)
            pair.connection.keep(KEPT)
            if when == "after it":
                pair.call(row)

        pair.on_event = act
        pair.peer.send(PING)
        await trio.testing.wait_all_tasks_blocked()
        if when == "later":
            assert pair.arrived() == b""
            pair.call(row)
            await trio.testing.wait_all_tasks_blocked()
        if row == "wake_at":
            assert pair.arrived() == b""
            await trio.sleep(DELAY + 0.1)
        is_first = when == "before it" and row.startswith("send")
        assert pair.arrived() == (MARK + KEPT if is_first else KEPT + MARK)


@pytest.mark.trio
async def test_what_is_kept_back_waits_for_its_release_but_not_without_bound(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with ends() as pair:
        connection = pair.connection
        pair.on_event = lambda: connection.keep(KEPT)
        pair.peer.send(PING)
        await trio.sleep(DELAY)
        assert pair.arrived() == b""
        connection.uncork()
        assert pair.arrived() == KEPT
        most = am_rpc.Limits().unread_responses
        pair.peer.send(PING * most)
        await trio.testing.wait_all_tasks_blocked()
        assert pair.arrived() == KEPT * most
