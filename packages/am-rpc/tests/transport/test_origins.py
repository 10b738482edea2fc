"""Web pages that try to connect by websocket."""

from __future__ import annotations

from typing import Any

import pytest
import trio

import am_machine as am
import am_rpc

pytestmark = pytest.mark.trio
SCHEMA = {"Foo": {}}


async def knock(addr: str, host: str = "127.0.0.1", origin: str | None = None) -> int:
    """Return the HTTP status of a handshake: 101 if it is let in."""
    port = int(addr.rstrip("/").rpartition(":")[2])
    lines = [
        "GET / HTTP/1.1", f"Host: {host}", "Upgrade: websocket", "Connection: Upgrade",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version: 13",
    ]  # fmt: skip
    if origin is not None:
        lines.append(f"Origin: {origin}")
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    await stream.send_all("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    answer = await stream.receive_some()
    await stream.aclose()
    return int(answer.split()[1])


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        ((), "https://evil.example", 403),
        ((), "null", 403),
        (("https://mine.example",), "https://evil.example", 403),
        (("https://mine.example",), "https://mine.example", 101),
        (("https://mine.example",), "HTTPS://Mine.Example", 101),
        (("https://mine.example",), "https://mine.example.evil", 403),
    ],
)
async def test_a_page_connects_only_if_its_origin_is_listed(
    origins: Any, origin: str, status: int
) -> None:
    async with (
        am.Machine(SCHEMA) as source,
        am_rpc.Mux(source, "ws://127.0.0.1:0", origins=origins) as mux,
    ):
        assert await knock(mux.addr, origin=origin) == status
        # Programs send no origin.
        async with am_rpc.connect(mux.addr) as net:
            assert await net.add("Foo") is am.EXECUTED


async def test_a_lone_server_asks_for_the_origin_too() -> None:
    async with (
        am.Machine(SCHEMA) as source,
        am_rpc.Server(source, "ws://127.0.0.1:0") as server,
    ):
        assert await knock(server.addr, origin="https://evil.example") == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("rebound.example", 403),
        ("rebound.example:80", 403),
        ("10.0.0.1", 403),
        ("localhost", 101),
        ("127.0.0.1:6000", 101),
        ("[::1]:6000", 101),
    ],
)
async def test_on_loopback_the_host_is_loopback(host: str, status: int) -> None:
    async with am.Machine(SCHEMA) as source, am_rpc.Mux(source, "ws://127.0.0.1:0") as mux:
        assert await knock(mux.addr, host) == status


async def test_origins_are_several() -> None:
    with pytest.raises(TypeError, match="origins"):
        am_rpc.Mux(am.Machine(SCHEMA), "ws://127.0.0.1:0", origins="https://one.example")
