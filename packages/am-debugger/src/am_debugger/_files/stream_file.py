"""Compressed files as streams of bytes, read within bounds."""

from __future__ import annotations

import zlib
from typing import IO, TYPE_CHECKING, Any, Protocol

from .._errors import DumpError
from .dump import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PIECE = 1 << 16
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS
_GZIP_LEVEL, _ZSTD_LEVEL = 6, 3


class Compressor(Protocol):
    """Bytes in, compressed bytes out."""

    def compress(self, data: bytes, /) -> bytes:
        """Take bytes; what comes out may lag behind."""

    def sync(self) -> bytes:
        """All that was taken, so that it can be read though what follows is lost."""

    def finish(self) -> bytes:
        """What is left."""


class _Gzip:
    def __init__(self) -> None:
        self._made = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self.compress = self._made.compress

    def sync(self) -> bytes:
        return self._made.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._made.flush()


class _Zstd:
    def __init__(self, zstandard: Any) -> None:
        self._made = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compressobj()
        self._block = zstandard.COMPRESSOBJ_FLUSH_BLOCK
        self.compress: Callable[[bytes], bytes] = self._made.compress

    def sync(self) -> bytes:
        found: bytes = self._made.flush(self._block)
        return found

    def finish(self) -> bytes:
        found: bytes = self._made.flush()
        return found


def compressor(path: Path) -> Compressor:
    """The one that a file's name asks for.

    :raises DumpError: if it is neither `.gz` nor `.zst`, or zstd is not installed.
    """
    if path.name.endswith(".zst"):
        return _Zstd(_zstandard(path))
    if path.name.endswith(".gz"):
        return _Gzip()
    raise DumpError(str(path), "the name of a dump ends in .gz or .zst")


def _zstandard(path: Path) -> Any:
    try:
        import zstandard
    except ImportError as exc:
        hint = 'zstd is not installed: python -m pip install "am-debugger[zstd]"'
        raise DumpError(str(path), hint) from exc
    return zstandard


class Truncated(Exception):
    """The file ends in the middle, or is damaged from here on. Its text says which."""


def decompressed(file: IO[bytes], path: Path) -> Iterator[bytes]:
    """The contents of a compressed file, in pieces of bounded size.

    :raises DumpError: if it is not compressed by gzip or zstd, or is larger than 8 GiB.
    :raises Truncated: after the last piece, if the file is damaged.
    """
    head = file.read(len(_ZSTD))
    file.seek(0)
    if head.startswith(_GZIP):
        pieces = _gunzipped(file)
    elif head == _ZSTD:
        pieces = _unzstd(file, path)
    else:
        raise DumpError(str(path), "not a dump: neither gzip nor zstd")
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > MOST_BYTES:
            raise DumpError(str(path), f"more than {MOST_BYTES >> 30} GiB")
        yield piece


def _gunzipped(file: IO[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    while not inflater.eof:
        data = inflater.unconsumed_tail or file.read(_PIECE)
        if not data:
            raise Truncated("the file ends in the middle")
        try:
            yield inflater.decompress(data, _PIECE)
        except zlib.error as exc:
            raise Truncated(f"damaged: {exc}") from exc


def _unzstd(file: IO[bytes], path: Path) -> Iterator[bytes]:
    zstandard = _zstandard(path)
    # The window is bounded, too: it is what the file says it needs.
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(file)
    try:
        while piece := reader.read(_PIECE):
            yield piece
    except zstandard.ZstdError as exc:
        raise Truncated(f"damaged: {exc}") from exc
