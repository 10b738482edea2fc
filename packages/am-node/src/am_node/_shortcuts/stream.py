"""Results on their way from the task that has the pool to whoever iterates over them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._client.map import Pair, Results

# Pairs that are handed over at once.
_MOST = 256


class Stream:
    """A bounded channel of pairs, the error that ended it, and the end itself.

    The results wait where they are until somebody takes them, so inputs are not taken without
    bound either. It is fed by `pump`, in a task of its own.
    """

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[tuple["Mapping[str, Any]", Any]](0)
        self._error: BaseException | None = None
        self.over = False

    async def pump(self, results: Results) -> None:
        """Take the results to the other end, and keep what they raise for it."""
        try:
            async with results:
                async for pair in results:
                    await self._send.send(pair)
        except trio.BrokenResourceError:  # nobody takes them any more
            return
        except Exception as exc:
            self.fail(exc)
        finally:
            self.end()

    def fail(self, error: Exception) -> None:
        """Have `error` raised at the end, bare if it is alone in its groups."""
        self._error = bare(error)

    def end(self) -> None:
        """Nothing more will come."""
        self.over = True
        self._send.close()

    def close(self) -> None:
        """Nobody takes what there is."""
        self._receive.close()

    async def take(self) -> Pair | None:
        """Return the next pair; None at the end, see `raise_error`."""
        try:
            return await self._receive.receive()
        except trio.EndOfChannel:
            return None

    async def take_some(self) -> list[Pair]:
        """Return the next pairs, at least one; none at the end, see `raise_error`."""
        pair = await self.take()
        return [] if pair is None else [pair, *self.take_ready()]

    def take_ready(self) -> list[Pair]:
        """Return the pairs that are there already."""
        pairs: list[Pair] = []
        try:
            while len(pairs) < _MOST:
                pairs.append(self._receive.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            pass
        return pairs

    def raise_error(self) -> None:
        """Raise what ended the results, if that was an error, once."""
        error, self._error = self._error, None
        if error is not None:
            raise error


def bare(error: BaseException) -> BaseException:
    """The one exception in groups of one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
