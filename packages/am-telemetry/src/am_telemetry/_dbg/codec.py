"""Messages to bytes and back, within the limits.

Bytes are untrusted. The decoder finds the end of a message without building anything of it, so
nothing is allocated for what is only announced; a message is built once it is there as a whole and
is known to be small enough. Whatever is wrong with it comes out as `DecodeError`, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgpack  # type: ignore[import-untyped]

from .._errors import DecodeError
from . import parse
from .messages import (
    MAX_ARRAY,
    MAX_CONTAINERS,
    MAX_HELLO,
    MAX_MAP,
    MAX_MESSAGE,
    MAX_TEXT,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import messages as m

# All bytes but those that may begin a list or a map.
_OTHERS = bytes([b for b in range(256) if not (0x80 <= b <= 0x9F or 0xDC <= b <= 0xDF)])


class Decoder:
    """Bytes in, messages out: `feed` what came, then iterate.

    Until `trust` is called, messages may be of 64 KiB only: the peer is not known yet.
    """

    def __init__(self) -> None:
        self.frame = b""
        """The bytes of the message that came out last."""
        self._limit = MAX_HELLO
        self._pending = bytearray()
        # Bytes of the stream before `_pending`.
        self._offset = 0
        self._skipper = _skipper()
        self._fed = 0
        self._fault: DecodeError | None = None

    def trust(self) -> None:
        """From now on messages may be as long as the protocol has it."""
        self._limit = MAX_MESSAGE

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes of the stream."""
        self._pending += data

    def __iter__(self) -> Iterator[m.Message]:
        """The messages that are there as a whole.

        :raises DecodeError: if there is one that is none; then always.
        """
        for message in self.steps():
            if message is not None:
                yield message

    def steps(self) -> Iterator[m.Message | None]:
        """The same in little steps: None comes each millisecond of work, or so, in the middle of a
        long message, and others may have their turn. What was begun is to be gone through.

        :raises DecodeError: if there is a message that is none; then always.
        """
        while True:
            frame = self._next_frame()
            if frame is None:
                return
            self.frame = frame
            try:
                yield from parse.steps(unpack(frame))
            except DecodeError as exc:
                self._fault = exc
                raise

    def _next_frame(self) -> bytes | None:
        if self._fault is not None:
            raise self._fault
        pending = self._pending
        try:
            if len(pending) > self._fed:
                # No more than a message at a time: what is only kept costs nothing twice.
                upto = min(len(pending), self._limit + 1)
                if upto > self._fed:
                    self._skipper.feed(memoryview(pending)[self._fed : upto].tobytes())
                    self._fed = upto
            self._skipper.skip()
        except msgpack.OutOfData:
            if self._fed > self._limit:
                raise self._broken(f"a message of more than {self._limit} bytes") from None
            return None
        except Exception as exc:
            raise self._broken(f"no MessagePack: {type(exc).__name__}") from exc
        size = self._skipper.tell() - self._offset
        if size > self._limit:
            raise self._broken(f"a message of {size} bytes")
        frame = bytes(memoryview(pending)[:size])
        del pending[:size]
        self._fed -= size
        self._offset += size
        return frame

    def _broken(self, told: str) -> DecodeError:
        self._fault = DecodeError(told)
        return self._fault


def _skipper() -> Any:
    return msgpack.Unpacker(max_buffer_size=2 * MAX_MESSAGE + 1)


class _Counter:
    """Counts lists and maps as they are built."""

    def __init__(self) -> None:
        self.left = MAX_CONTAINERS

    def __call__(self, value: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise DecodeError(f"more than {MAX_CONTAINERS} lists and maps in a message")
        return value


def unpack(frame: bytes) -> Any:
    """The value of one whole message.

    :raises DecodeError: if it is not within the limits.
    """
    hooks: dict[str, Any] = {}
    if len(frame.translate(None, _OTHERS)) > MAX_CONTAINERS:
        # There may be that many; texts have such bytes as well.
        counter = _Counter()
        hooks = {"list_hook": counter, "object_hook": counter}
    try:
        value = msgpack.unpackb(
            frame,
            max_array_len=MAX_ARRAY,
            max_map_len=MAX_MAP,
            max_str_len=MAX_TEXT,
            max_bin_len=MAX_TEXT,
            max_ext_len=0,
            **hooks,
        )
    except DecodeError:
        raise
    except Exception as exc:
        raise DecodeError(f"no message: {type(exc).__name__}: {exc}"[:200]) from None
    return value


# ------------------------------------------------------------------------------ to bytes

_packer = msgpack.Packer(unicode_errors="replace", autoreset=True)


def pack(value: Any) -> bytes:
    """A value as MessagePack; what no text may hold becomes a question mark."""
    found: bytes = _packer.pack(value)
    return found
