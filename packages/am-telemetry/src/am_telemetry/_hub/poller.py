"""What the hub's thread sleeps on: sockets that somebody watches, and whoever wakes it."""

from __future__ import annotations

import contextlib
import selectors
import socket
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# Sockets in a list that the kernel does not keep: a child that forks off shares nothing of it.
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


class Poller:
    """Sockets, each with what is called once it is ready. For one thread, but for `wake`."""

    def __init__(self) -> None:
        self._selector = _Selector()
        self._mine, self._waker = socket.socketpair()
        for one in (self._mine, self._waker):
            one.setblocking(False)
        self._selector.register(self._mine, selectors.EVENT_READ, None)

    def wake(self) -> None:
        """End the sleep of now, or the next. In any thread."""
        # Full: it is being woken; closed: it ended just now.
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def watch(self, fileobj: Any, events: int, fn: Callable[[int], object] | None) -> None:
        """Have `fn(ready events)` told by `sleep`; 0 events: no more."""
        selector = self._selector
        is_known = fileobj in selector.get_map()
        if not events:
            if is_known:
                selector.unregister(fileobj)
        elif is_known:
            selector.modify(fileobj, events, fn)
        else:
            selector.register(fileobj, events, fn)

    def sleep(self, seconds: float) -> list[tuple[Callable[[int], object], int]]:
        """Sleep so long at most; what is to be called by then, each with the events that came."""
        ready = []
        for key, events in self._selector.select(max(seconds, 0.0)):
            if key.data is not None:
                ready.append((key.data, events))
                continue
            with contextlib.suppress(OSError):
                self._mine.recv(4096)
        return ready

    def close(self) -> None:
        """Let go of it; sockets that are watched are others'. In a child process, too."""
        self._selector.close()
        self._mine.close()
        self._waker.close()
