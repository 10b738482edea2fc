"""A dump into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from am_telemetry import dbg

from .._errors import BadMessageError, DumpError
from .._store.link import Link
from .._store.replay import NOTE
from .dump import HEADER, MAGIC, VERSION
from .stream_file import Truncated, decompressed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .._store.store import Store


class Reading:
    """How far a dump is read, and what was wrong with it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = path.stat().st_size
        self.read = 0
        """Bytes of the file."""
        self.entries = 0
        """Transitions read, those known already among them."""
        self.refused = 0
        """Messages that did not fit."""
        self.link: Link | None = None
        self.process: dbg.Process | None = None
        """The one that wrote the dump."""
        self.warnings: list[str] = []

    def warn(self, text: str) -> None:
        """Note what was wrong."""
        self.warnings.append(f"{self.path}: {text}")


def read_dump(store: Store, path: Path) -> Iterator[Reading]:
    """Take a dump in, in small steps; the last one is complete.

    A damaged file is read up to the damage, and a warning tells so. Machines that are known
    already get what they lack.

    :raises DumpError: if it is no dump, or of another version.
    :raises OSError: if it cannot be read.
    """
    reading = Reading(path)
    decoder = dbg.Decoder()
    decoder.trust()
    end: dbg.DumpEnd | None = None
    try:
        with path.open("rb") as file:
            for piece in _body(decompressed(file, path), path):
                decoder.feed(piece)
                for message in decoder:
                    end = _take(store, reading, message) or end
                    yield reading
                reading.read = file.tell()
                yield reading
    except Truncated as exc:
        reading.warn(f"{exc}; what came before is loaded")
    except dbg.DecodeError as exc:
        reading.warn(f"damaged: {exc}; what came before is loaded")
    if reading.link is None:
        raise DumpError(str(path), "not a dump: it does not say who wrote it")
    reading.link.close()
    if end is None and not reading.warnings:
        reading.warn("the end is missing; what came before is loaded")
    if end is not None and end.entries != reading.entries:
        reading.warn(f"it should have {end.entries} entries, {reading.entries} were found")
    if reading.refused:
        reading.warn(f"{reading.refused} messages did not fit and were left out")
    reading.read = reading.size
    yield reading


def _body(pieces: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """What follows the head."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(HEADER):
            break
    if not head.startswith(MAGIC):
        raise DumpError(str(path), "not a dump")
    version = head[len(MAGIC)] if len(head) > len(MAGIC) else 0
    if version != VERSION:
        known = f"this program reads version {VERSION}"
        raise DumpError(str(path), f"a dump of version {version}, {known}")
    yield head[len(HEADER) :]
    yield from pieces


def _take(store: Store, reading: Reading, message: dbg.Message) -> dbg.DumpEnd | None:
    """One message; the last one is returned."""
    if isinstance(message, dbg.DumpBegin):
        if message.version != VERSION:
            raise DumpError(str(reading.path), f"a dump of version {message.version}")
        if reading.link is None:
            reading.process = message.process
            reading.link = Link(store, message.process, exact=True, is_live=False)
        return None
    link = reading.link
    if link is None:
        raise DumpError(str(reading.path), "not a dump: it does not say who wrote it")
    if isinstance(message, dbg.DumpEnd):
        return message
    try:
        if isinstance(message, dbg.Log) and message.text.startswith(NOTE) and not message.level:
            client = link.client(message.h)
            if len(client.columns) and not link.is_repeating(message.h):
                client.notes[client.last] = message.text[len(NOTE) :]
            return None
        reading.refused += len(link.take(message, 0))
    except BadMessageError:
        reading.refused += 1
    reading.entries += len(message.entries) if isinstance(message, dbg.Txs) else 0
    return None
