"""Dump files: the messages of a stream, written to a file and read from one.

A dump is one gzip file. Decompressed it begins with 8 bytes that name it and its version; then come
messages as on the wire: `dump.begin` with the process, schemas and machines, entries in chunks of
4,096 (each opens with `dump.chunk`, and in it each machine with a keyframe), and at the end
`dump.end` with the places of the chunks and the totals. What was written until a crash can be read:
it is flushed each second.
"""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING, Protocol

from .._env import LOGGER
from .._errors import DecodeError
from . import messages as m
from .codec import Decoder
from .encode import encode

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

MAGIC = b"AMDBG\r\n"
MAGIC_VERSION = 1
CHUNK = 4096
"""Entries of a chunk."""
MOST_DECOMPRESSED = 8 << 30
"""Bytes of a dump that are read."""
_PIECE = 1 << 16


class Writable(Protocol):
    """What a dump asks of its file."""

    def write(self, data: bytes, /) -> int:
        """Write all of it."""
        ...

    def flush(self) -> object:
        """Have the system take what was written."""
        ...


class DumpFile:
    """Writes messages; knows nothing of machines. Values in, bytes out, in one thread."""

    def __init__(self, file: Writable, process: m.Process) -> None:
        self._gzip = gzip.GzipFile(fileobj=file, mode="wb", compresslevel=6, mtime=0)
        self.size = 0
        """Bytes before compression."""
        self._chunks: list[tuple[int, int, int]] = []
        self._in_chunk = CHUNK
        self._began = (0, 0)
        self.entries = 0
        self._write(MAGIC + bytes([MAGIC_VERSION]))
        self.message(m.DumpBegin(m.VERSION, process))

    def _write(self, data: bytes) -> None:
        self._gzip.write(data)
        self.size += len(data)

    def message(self, message: m.Message) -> None:
        """Append a message that is no entry."""
        self._write(encode(message))

    def opens_chunk(self, at: int) -> bool:
        """To be asked before each entry: whether a new chunk begins with it, so that each machine
        needs a keyframe. `at` is its time."""
        if self._in_chunk < CHUNK:
            return False
        self._close_chunk()
        self._began = (self.size, at)
        self.message(m.Chunk(len(self._chunks), at))
        self._in_chunk = 0
        return True

    def entries_message(self, wires: list[bytes]) -> None:
        """Append entries, which belong to the chunk that is open."""
        if wires:
            header = b"\x93\x02\xa7dbg.txs\x91\xdd" + len(wires).to_bytes(4, "big")
            self._write(b"".join((header, *wires)))
            self._in_chunk += len(wires)
            self.entries += len(wires)

    def room(self) -> int:
        """Entries that the open chunk still takes."""
        return max(CHUNK - self._in_chunk, 0)

    def _close_chunk(self) -> None:
        if self._began[0] and self._in_chunk:
            offset, at = self._began
            self._chunks.append((offset, at, self._in_chunk))

    def flush(self) -> None:
        """Let what was written be readable, whatever happens next."""
        self._gzip.flush(zlib.Z_SYNC_FLUSH)

    def close(self, machines: int, dropped: int) -> None:
        """Write the index and the totals, and end."""
        self._close_chunk()
        chunks = tuple(self._chunks[-m.MAX_ARRAY :])
        self.message(m.DumpEnd(chunks, machines, self.entries, dropped))
        self._gzip.close()


def read_dump(path: str | os.PathLike[str]) -> Iterator[m.Message]:
    """The messages of a dump, in order, the first being `DumpBegin`; one after another, so that no
    dump is too large for memory. A file that is damaged or was cut off is read up to there, and
    that is one warning in the log.

    :raises OSError: if it cannot be read.
    :raises DecodeError: if it is no dump, or one of another version.
    """
    with gzip.open(path, "rb") as file:
        try:
            _check_magic(file.read(len(MAGIC) + 1), path)
        except (EOFError, zlib.error, gzip.BadGzipFile) as exc:
            raise DecodeError(f"{path} is no dump: {exc}") from None
        decoder = Decoder()
        decoder.trust()
        total = 0
        has_ended = False
        while True:
            try:
                # What there is: `read` waits for a whole piece, and gives nothing of one whose end
                # a crash cut off.
                data = file.read1(_PIECE)
            except EOFError:
                data = b""
                has_ended = False
            except (zlib.error, gzip.BadGzipFile) as exc:
                LOGGER.warning("%s is read up to a damage: %s", path, exc)
                return
            if not data:
                if not has_ended:
                    LOGGER.warning("%s was cut off; it is read as far as it goes", path)
                return
            total += len(data)
            if total > MOST_DECOMPRESSED:
                LOGGER.warning("%s holds more than %d bytes", path, MOST_DECOMPRESSED)
                return
            decoder.feed(data)
            messages = iter(decoder)
            while True:
                try:
                    message = next(messages, None)
                except DecodeError as exc:
                    LOGGER.warning("%s is read up to a damage: %s", path, exc)
                    return
                if message is None:
                    break
                has_ended = isinstance(message, m.DumpEnd)
                yield message


def _check_magic(data: bytes, path: object) -> None:
    if data[: len(MAGIC)] != MAGIC:
        raise DecodeError(f"{path} is no dump")
    version = data[len(MAGIC)] if len(data) > len(MAGIC) else 0
    if version != MAGIC_VERSION:
        raise DecodeError(f"{path} is a dump of version {version}, not {MAGIC_VERSION}")
