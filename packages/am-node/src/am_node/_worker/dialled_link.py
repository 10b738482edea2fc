"""The worker's end of a private link that the worker itself dials."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import trio

from .._reverse_call import GREETING_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_log = logging.getLogger("am_node")
_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 2.0


class DialledListener(trio.abc.Listener[trio.abc.Stream]):
    """Looks like a listener to a server, but "accepts" by calling the supervisor.

    There is one stream at a time: the next call is made when the last stream is closed, at once if
    that had lived for a while. Failures, such as a stream that is closed as soon as it is there,
    are followed by growing pauses, for ever; whoever waits decides when it is too late.
    """

    def __init__(self, call: Callable[[], Awaitable[trio.abc.Stream]]) -> None:
        self._call = call
        self._free = trio.Event()
        self._free.set()
        self._open = trio.CancelScope()
        self._pause = 0.0
        self._dialled_at = float("-inf")

    async def accept(self) -> trio.abc.Stream:
        """Return the next stream to the supervisor.

        :raises trio.ClosedResourceError: once this is closed.
        """
        if self._open.cancel_called:
            raise trio.ClosedResourceError
        self._open = trio.CancelScope()
        with self._open:
            await self._free.wait()
            if trio.current_time() - self._dialled_at > _LONGEST_PAUSE:
                self._pause = 0.0
            stream = await self._reach()
            self._dialled_at = trio.current_time()
            self._free = trio.Event()
            return _Watched(stream, self._free)
        raise trio.ClosedResourceError

    async def _reach(self) -> trio.abc.Stream:
        while True:
            await trio.sleep(self._pause)
            self._pause = min(max(2 * self._pause, _FIRST_PAUSE), _LONGEST_PAUSE)
            try:
                with trio.fail_after(GREETING_TIMEOUT):
                    return await self._call()
            except (OSError, trio.BrokenResourceError, trio.TooSlowError) as exc:
                _log.info("the supervisor cannot be reached: %r", exc)

    async def aclose(self) -> None:
        """Call no more; the present stream is its taker's."""
        self._open.cancel()
        await trio.lowlevel.checkpoint()


class _Watched(trio.abc.Stream):
    """A stream that sets an event when it is closed."""

    def __init__(self, stream: trio.abc.Stream, closed: trio.Event) -> None:
        self._stream = stream
        self._closed = closed

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        self._closed.set()
        await self._stream.aclose()
