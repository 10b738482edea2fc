"""How a worker calls its supervisor: what both ends of such a call must agree on.

The worker first says who it is and proves it:

* the supervisor sends a random number of 32 bytes;
* the worker answers with its purpose (one byte), the length of its id (uint16), its id, and the
  HMAC-SHA256 of purpose, random number and id under the token of its boot configuration.

Whoever fails is cut without an answer, before any machine hears of it. Above this, aRPC shakes
hands with the same secrets and both ends prove themselves.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import struct
from typing import TYPE_CHECKING

import trio

import am_rpc

from ._address import host_port

if TYPE_CHECKING:
    import ssl

NONCE_SIZE = 32
MAC_SIZE = 32
MAX_ID = 512
# One who calls in has so many seconds for TLS and for its proof.
GREETING_TIMEOUT = 5.0
# Purpose and length of the id.
HEAD = struct.Struct(">cH")


class Purpose(enum.Enum):
    """What a worker calls for."""

    REPORT = b"R"
    LINK = b"L"


def proof(token: bytes, purpose: Purpose, nonce: bytes, worker: bytes) -> bytes:
    """What only a worker with this token can say."""
    message = b"am-node call\0" + purpose.value + nonce + worker
    return hmac.digest(token, message, hashlib.sha256)


async def dial(
    addr: str,
    purpose: Purpose,
    worker_id: str,
    token: bytes,
    context: ssl.SSLContext | None,
) -> trio.abc.Stream:
    """Call the supervisor at `addr` and return the stream to it.

    :raises OSError: if it cannot be reached.
    :raises trio.BrokenResourceError: if it breaks off.
    """
    host, port = host_port(addr)
    transport = await trio.open_tcp_stream(host, port)
    stream: trio.abc.Stream = transport
    try:
        if context is not None:
            stream = await am_rpc.start_tls(stream, context)
        nonce = await exactly(stream, NONCE_SIZE)
        worker = worker_id.encode()
        mac = proof(token, purpose, nonce, worker)
        await stream.send_all(HEAD.pack(purpose.value, len(worker)) + worker + mac)
    except BaseException:
        await trio.aclose_forcefully(transport)
        raise
    return stream


async def exactly(stream: trio.abc.Stream, count: int) -> bytes:
    """Read `count` bytes and never more: what follows belongs to aRPC.

    :raises trio.BrokenResourceError: if the other side breaks off before.
    """
    data = bytearray()
    while len(data) < count:
        part = await stream.receive_some(count - len(data))
        if not part:
            raise trio.BrokenResourceError("the other side broke off")
        data += part
    return bytes(data)
