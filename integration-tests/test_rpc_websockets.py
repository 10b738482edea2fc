"""Peers that use websockets in ways that are allowed and odd."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
import trio
import trio_websocket

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio
HELLO = {"v": 1, "id": "rc-odd", "se": bytes(8)}
WELCOME = {"v": 1, "id": "source", "boot": bytes(8), "names": ["Exception", "Foo"]}
WELCOME |= {"t": [0, 0], "q": 0, "m": 0, "n": 2, "hops": 1}
WELCOME |= {"schema": {"Exception": {}, "Foo": {}}}
# More than Python's stack is deep.
EMPTY_MESSAGES = 1_500
# A busy machine needs its time for so many of them.
PATIENT = am_rpc.Limits(handshake=30)


class States(am.States):
    """What is served."""

    Foo = am.State(multi=True)


async def say(websocket: trio_websocket.WebSocketConnection, *message: Any) -> None:
    await websocket.send_message(msgpack.packb(message))


async def send_empty_ones(websocket: trio_websocket.WebSocketConnection) -> None:
    for _ in range(EMPTY_MESSAGES):
        await websocket.send_message(b"")


async def test_a_server_takes_any_number_of_empty_messages() -> None:
    async with (
        am.Machine(States) as source,
        am_rpc.Mux(source, "ws://127.0.0.1:0/", push_interval=None, limits=PATIENT) as mux,
        am_rpc.connect(mux.addr) as net,
        trio_websocket.open_websocket_url(mux.addr) as peer,
    ):
        with trio.fail_after(30):
            await send_empty_ones(peer)
            await say(peer, 0, 1, "hello", [HELLO])
            await peer.get_message()
            await say(peer, 0, 2, "ready", [])
            await peer.get_message()
            await send_empty_ones(peer)
            await say(peer, 0, 3, "ping", [])
            assert msgpack.unpackb(await peer.get_message()) == [1, 3, None, None]
            assert await net.add("Foo") is am.EXECUTED
        assert net.client.stats.reconnects == 0


async def test_a_client_takes_any_number_of_empty_messages() -> None:
    async def serve(request: trio_websocket.WebSocketRequest) -> None:
        websocket = await request.accept()
        answers = {"hello": WELCOME, "sync": [[0, 1], 3, 1]}
        try:
            while True:
                _, call_id, method, *_ = msgpack.unpackb(await websocket.get_message())
                await send_empty_ones(websocket)
                await say(websocket, 1, call_id, None, answers.get(method))
        except trio_websocket.ConnectionClosed:
            pass

    async with trio.open_nursery() as nursery:
        server = await nursery.start(trio_websocket.serve_websocket, serve, "127.0.0.1", 0, None)
        with trio.fail_after(30):
            async with am_rpc.Client(f"ws://127.0.0.1:{server.port}/", limits=PATIENT) as client:
                net = await client.ready(20)
                await net.sync()
                assert net.is_("Foo")
                assert client.stats.reconnects == 0
        nursery.cancel_scope.cancel()
