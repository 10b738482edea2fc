"""Counts bytes: a listener that hands on what it hears, in threads of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

PIECE = 65536


class Count:
    """What went through, both ways, in bytes."""

    def __init__(self) -> None:
        self.bytes = 0
        self._lock = threading.Lock()

    def add(self, size: int) -> None:
        """So much more."""
        with self._lock:
            self.bytes += size


def hand_on(source: socket.socket, target: socket.socket, count: Count) -> None:
    """Copy until one end closes."""
    with suppress(OSError):
        while data := source.recv(PIECE):
            count.add(len(data))
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def counted(addr: str) -> Generator[tuple[str, Count]]:
    """Stand before an address while in the block, for one connection; yields its own address."""
    host, _, port = addr.rpartition(":")
    count = Count()

    def serve() -> None:
        with suppress(OSError):
            near, _ = listener.accept()
            with near, socket.create_connection((host, int(port))) as far:
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                back = threading.Thread(target=hand_on, args=(far, near, count))
                back.start()
                hand_on(near, far, count)
                back.join()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}", count
        thread.join()
