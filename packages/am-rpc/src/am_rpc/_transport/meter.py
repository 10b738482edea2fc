"""Counting the bytes of a stream."""

from __future__ import annotations

import trio


class TrafficMeter(trio.abc.Stream):
    """A stream that counts what goes through it: `bytes_in`, `bytes_out`, `reads`, `writes`."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream = stream
        self.bytes_in = 0
        self.bytes_out = 0
        self.reads = 0
        self.writes = 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes and count them."""
        self.bytes_out += len(data)
        self.writes += 1
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        """Wait as the stream does."""
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        """Receive bytes and count them."""
        data = await self._stream.receive_some(max_bytes)
        self.bytes_in += len(data)
        self.reads += 1
        return data

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()
