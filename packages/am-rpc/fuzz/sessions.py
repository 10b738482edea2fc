"""One input against a whole server or client, over streams in memory and a clock that jumps.

The peer's part of the handshake is played properly, unless the input is to replace it, then the
peer says the input. Whatever that is, the component under test must end without an internal error
and without a task left.
"""

from __future__ import annotations

import logging
from typing import Any

import msgpack
import trio
import trio.testing
from inputs import HELLO, SCHEMA, WELCOME
from target import LIMITS, PIECES, Surprise

import am_machine as am
import am_rpc

STATES = am.compile_schema(SCHEMA)


class Findings(logging.Handler):
    """Keeps what a component logs as its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []
        logger = logging.getLogger("am_rpc")
        logger.addHandler(self)
        logger.propagate = False

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    def judge(self) -> None:
        """Raise `Surprise` if there was a fault since the last call."""
        records, self.records = self.records, []
        for record in records:
            cause = record.exc_info[1] if record.exc_info else None
            raise Surprise(record.getMessage()) from cause


def play(data: bytes, findings: Findings) -> None:
    """Say an input to a server or to a client, as its first byte tells.

    Raises:
        Surprise: an internal error was logged.
        Exception: one that came out of the component, or of a task that did not end.
    """
    head, stream = (data[0] if data else 0), data[1:]
    side = _against_client if head & 1 else _against_server
    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(side, stream, PIECES[head >> 1 & 3], not head & 8, clock=clock)
    findings.judge()


async def _say(stream: trio.abc.Stream, data: bytes, piece: int) -> None:
    try:
        for start in range(0, len(data), piece):
            await stream.send_all(data[start : start + piece])
        await trio.testing.wait_all_tasks_blocked()
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass


async def _against_server(data: bytes, piece: int, shakes_hands: bool) -> None:
    ours, theirs = trio.testing.memory_stream_pair()
    async with (
        am.Machine(STATES, id="source") as source,
        am_rpc.Server(source, stream=theirs, push_interval=0, limits=LIMITS),
    ):
        source.add("A")
        if shakes_hands:
            hello = [0, 1, "hello", [HELLO | {"sync": {"mutations": piece == 7}}]]
            await ours.send_all(msgpack.packb(hello) + msgpack.packb([0, 2, "ready", []]))
            await trio.testing.wait_all_tasks_blocked()
        await _say(ours, data, piece)
        source.add("A")
        await trio.testing.wait_all_tasks_blocked()
        await ours.aclose()
        await trio.testing.wait_all_tasks_blocked()


class Taker:
    """Takes payloads."""

    def ServerPayloadState(self, event: am.Event) -> None:
        """Look at it."""
        repr(event.args["data"])


async def _against_client(data: bytes, piece: int, shakes_hands: bool) -> None:
    ours, theirs = trio.testing.memory_stream_pair()

    async def dial() -> trio.abc.Stream:
        return theirs

    options: dict[str, Any] = {
        "id": "x",
        "retry": am_rpc.Retry(connect_tries=1),
        "limits": LIMITS,
        "sync": am_rpc.Sync(mutations=piece == 7),
    }
    async with (
        am.Machine(am_rpc.Consumer, handlers=Taker()) as consumer,
        am_rpc.Client(dial, consumer=consumer, **options) as client,
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(_swallow, ours)
        if shakes_hands:
            await ours.send_all(msgpack.packb([1, 1, None, WELCOME | {"schema": SCHEMA}]))
            await ours.send_all(msgpack.packb([1, 2, None, None]))
            _use(await client.ready(), nursery)
        await trio.testing.wait_all_tasks_blocked()
        await _say(ours, data, piece)
        await ours.aclose()
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


def _use(net: am_rpc.NetworkMachine, nursery: trio.Nursery) -> None:
    """Make calls whose answers the input may hold: the ids from 3 on."""
    net.add("A", x=1)
    net.add("B")
    net.add_ns("A")
    net.toggle("B")
    net.add_err(ValueError("x"))
    net.when_args("A", id=1)
    nursery.start_soon(_ask, net)


async def _ask(net: am_rpc.NetworkMachine) -> None:
    for question in (net.sync, lambda: net.check_add("A")):
        try:
            await question()
        except am_rpc.RpcError:
            continue


async def _swallow(stream: trio.abc.Stream) -> None:
    try:
        while await stream.receive_some():
            pass
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
