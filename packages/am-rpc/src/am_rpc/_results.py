"""Results of remote mutations, and being told when a result is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable


class NetResult(am.Result):
    """The result of a mutation that travels; `settled` once its outcome is known.

    `error` tells why a mutation was canceled; None if the source itself refused it.
    """

    __slots__ = ("_callbacks",)

    def __init__(self) -> None:
        super().__init__(queue_tick=0)
        self._callbacks: list[Callable[[], None]] | None = None

    @property
    def settled(self) -> bool:
        """Tell whether the outcome is known."""
        return self.outcome is not None

    def settle(self, outcome: am.Result, error: BaseException | None = None) -> None:
        """Publish the outcome; only the first call counts."""
        if self.outcome is not None:
            return
        super().settle(outcome, error)
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def on_settled(self, callback: Callable[[], None]) -> None:
        """Call back once settled; at once if it is."""
        if self.outcome is not None:
            callback()
        elif self._callbacks is None:
            self._callbacks = [callback]
        else:
            self._callbacks.append(callback)


def when_settled(result: am.Result, callback: Callable[[], None], mach: am.Machine) -> None:
    """Call back when any result is known; one that is not remote is awaited in a task of `mach`."""
    if isinstance(result, NetResult):
        result.on_settled(callback)
        return

    async def wait() -> None:
        await result
        callback()

    mach.fork(wait)
