"""Reading what a child process prints, in lines of bounded length and at a bounded rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.abc import ReceiveStream

MAX_LINE_BYTES = 8 * 1024
MAX_TAIL_BYTES = 64 * 1024
# A worker's log is for people. Faster than this the pipe is left to fill, which slows the writer
# down...
MAX_BYTES_PER_SECOND = 1024 * 1024
# ...and one that keeps at it for so many seconds without a break is taken to be broken.
FLOOD_SECONDS = 5.0

_CHUNK = 16 * 1024


class Tail:
    """The last 64 KiB of a stream, as text."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._size = 0

    def add(self, line: str) -> None:
        """Append a line; the oldest go."""
        self._lines.append(line)
        self._size += len(line) + 1
        while self._size > MAX_TAIL_BYTES:
            self._size -= len(self._lines.pop(0)) + 1

    def __str__(self) -> str:
        return "\n".join(self._lines)


async def read_lines(
    stream: ReceiveStream, sink: Callable[[str], None], flooded: Callable[[float], None]
) -> None:
    """Call `sink` with each line of `stream` until it ends; longer lines arrive in pieces of 8 KiB.

    Bytes which are not UTF-8 are replaced. `flooded` is called with the seconds that the stream has
    been above 1 MiB per second, after each of them, and with 0 when it is calm again.
    """
    pending = b""
    window_start = calm_since = trio.current_time()
    window_bytes = 0
    while True:
        try:
            chunk = await stream.receive_some(_CHUNK)
        except (trio.BrokenResourceError, OSError):
            chunk = b""
        if not chunk:
            break
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            for piece in _pieces(line):
                sink(piece)
        while len(pending) > MAX_LINE_BYTES:
            sink(_text(pending[:MAX_LINE_BYTES]))
            pending = pending[MAX_LINE_BYTES:]
        window_bytes += len(chunk)
        now = trio.current_time()
        if now - window_start >= 1.0:
            calm_since = now
            window_start, window_bytes = now, 0
            flooded(0.0)
        elif window_bytes > MAX_BYTES_PER_SECOND:
            await trio.sleep(window_start + 1.0 - now)
            window_start, window_bytes = trio.current_time(), 0
            flooded(window_start - calm_since)
    if pending:
        sink(_text(pending))


def _pieces(line: bytes) -> list[str]:
    return [
        _text(line[i : i + MAX_LINE_BYTES]) for i in range(0, max(len(line), 1), MAX_LINE_BYTES)
    ]


def _text(line: bytes) -> str:
    return line.rstrip(b"\r").decode("utf-8", "replace")
