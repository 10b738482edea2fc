"""Compressed files as streams of bytes, read within bounds."""

from __future__ import annotations

import sys
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
_MOST_WINDOW_LOG = 27


class Compressor(Protocol):
    """Bytes in, compressed bytes out."""

    def compress(self, data: bytes, /) -> bytes:
        """Take bytes; what comes out may lag behind."""
        ...

    def sync(self) -> bytes:
        """All that was taken, so that it can be read though what follows is lost."""
        ...

    def finish(self) -> bytes:
        """What is left."""
        ...


class _Gzip:
    def __init__(self) -> None:
        self._made = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self.compress = self._made.compress

    def sync(self) -> bytes:
        return self._made.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._made.flush()


class _Zstd:
    def __init__(self, zstd: Any) -> None:
        self._made = zstd.ZstdCompressor(level=_ZSTD_LEVEL)
        self.compress: Callable[[bytes], bytes] = self._made.compress

    def sync(self) -> bytes:
        found: bytes = self._made.flush(self._made.FLUSH_BLOCK)
        return found

    def finish(self) -> bytes:
        found: bytes = self._made.flush()
        return found


def compressor(path: Path) -> Compressor:
    """The one that a file's name asks for.

    :raises DumpError: if it is neither `.gz` nor `.zst`, or zstd is not installed.
    """
    if path.name.endswith(".zst"):
        return _Zstd(_zstd(path))
    if path.name.endswith(".gz"):
        return _Gzip()
    raise DumpError(str(path), "the name of a dump ends in .gz or .zst")


def _zstd(path: Path) -> Any:
    """Python's own from 3.14 on; before, the same under another name."""
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd
        else:
            from backports import zstd
    except ImportError as exc:
        hint = 'zstd is not installed: python -m pip install "am-debugger[zstd]"'
        raise DumpError(str(path), hint) from exc
    return zstd


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
    zstd = _zstd(path)
    # The window is bounded, too: it is what the file says it needs.
    bounds = {zstd.DecompressionParameter.window_log_max: _MOST_WINDOW_LOG}
    inflater = zstd.ZstdDecompressor(options=bounds)
    while not inflater.eof:
        data = file.read(_PIECE) if inflater.needs_input else b""
        if inflater.needs_input and not data:
            raise Truncated("the file ends in the middle")
        try:
            yield inflater.decompress(data, _PIECE)
        except zstd.ZstdError as exc:
            raise Truncated(f"damaged: {exc}") from exc
