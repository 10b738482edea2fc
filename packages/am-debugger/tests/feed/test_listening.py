"""Addresses to listen at."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import pytest
import trio

from am_debugger._feed.listening import open_listener
from am_telemetry import dbg

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.trio
async def test_a_socket_file_is_plain_where_others_are_encrypted(tmp_path: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    unix = await open_listener(dbg.parse_address(f"unix:{tmp_path / 's'}"), tls)
    tcp = await open_listener(dbg.parse_address("127.0.0.1:1")._replace(port=0), tls)
    try:
        assert isinstance(unix, trio.SocketListener)
        assert isinstance(tcp, trio.SSLListener)
    finally:
        await unix.aclose()
        await tcp.aclose()
