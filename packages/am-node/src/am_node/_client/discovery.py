"""Where clients learn the addresses of supervisors."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import trio

import am_rpc

from .._address import check_address
from .._names import own_name

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable

_MAX_FILES = 1000
_MAX_ADDR_BYTES = 256


@runtime_checkable
class Discovery(Protocol):
    """A source of addresses, which may change at any time."""

    def addresses(self) -> AsyncIterator[frozenset[str]]:
        """Yield the whole set, first at once, then after each change. May end."""
        ...


class StaticList:
    """Addresses that never change."""

    def __init__(self, addresses: Iterable[str]) -> None:
        self._addresses = frozenset(addresses)

    async def addresses(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the one set."""
        await trio.lowlevel.checkpoint()
        yield self._addresses


class FileDir:
    """A directory of ``*.addr`` files with one address each, looked at every `interval` seconds.

    Files that cannot be read, or hold more than an address, are left out.
    """

    def __init__(self, directory: str | Path, interval: float = 1.0) -> None:
        self._directory = Path(directory)
        self._interval = interval

    async def addresses(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the set whenever it changed."""
        last: frozenset[str] | None = None
        while True:
            found = await trio.to_thread.run_sync(self.read)
            if found != last:
                last = found
                yield found
            await trio.sleep(self._interval)

    def read(self) -> frozenset[str]:
        """The addresses that are there now; blocks as long as the file system takes."""
        found = set()
        for number, path in enumerate(self._directory.glob("*.addr")):
            if number >= _MAX_FILES:
                break
            text = _read_regular(path)
            if len(text) <= _MAX_ADDR_BYTES and text.strip().isascii():
                found.add(text.strip().decode("ascii"))
        return frozenset(found - {""})


def _read_regular(path: Path) -> bytes:
    """The beginning of a file; nothing of what is no file, which may never end."""
    try:
        # Opening a named pipe would wait for somebody who writes to it.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        with open(number, "rb") as file:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return b""
            return file.read(_MAX_ADDR_BYTES + 1)
    except OSError:
        return b""


class DnsName:
    """A host name that resolves to every supervisor's host; all listen on one port."""

    def __init__(self, host: str, port: int, interval: float = 30.0) -> None:
        self._host = host
        self._port = port
        self._interval = interval

    async def addresses(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the set whenever it changed; while the name does not resolve the last one stays."""
        last: frozenset[str] = frozenset()
        while True:
            try:
                infos = await trio.socket.getaddrinfo(
                    self._host, self._port, type=socket.SOCK_STREAM
                )
            except OSError:
                infos = []
            found = frozenset(_join(str(info[4][0]), self._port) for info in infos)
            if found and found != last:
                last = found
                yield found
            await trio.sleep(self._interval)


class OwnSockets:
    """The supervisors of this user on this host that listen where no address says otherwise.

    With a `kind` those of its workers alone. They are looked for every `interval` seconds.
    """

    def __init__(self, kind: str = "", interval: float = 1.0) -> None:
        self._kind = kind
        self._interval = interval

    async def addresses(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the set whenever it changed."""
        last: frozenset[str] | None = None
        while True:
            found = await trio.to_thread.run_sync(own_sockets, self._kind)
            if found != last:
                last = found
                yield found
            await trio.sleep(self._interval)


def own_sockets(kind: str = "") -> frozenset[str]:
    """The addresses of this user's supervisors on this host, of one kind or of all."""
    if kind:
        return frozenset(am_rpc.user_sockets(own_name(kind)))
    mark = f"/{own_name('')}"
    return frozenset(addr for addr in am_rpc.user_sockets() if mark in addr)


def _join(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def as_discovery(supers: Iterable[str] | Discovery | None, kind: str = "") -> Discovery:
    """A discovery of whatever a user gave; None are this user's own supervisors of a kind.

    :raises ValueError: for a single text instead of a list, no address at all, or what is none.
    """
    if supers is None:
        return OwnSockets(kind)
    if isinstance(supers, Discovery):
        return supers
    if isinstance(supers, str):
        raise ValueError("give a list of addresses, not one text")
    listed = tuple(supers)
    if not listed:
        raise ValueError("give at least one supervisor's address")
    return StaticList([check_address(addr) for addr in listed])
