"""Running one ``work`` call in the way its class wants: in the loop, in a thread, or inline."""

from __future__ import annotations

import contextlib
import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

import trio

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class WorkRunner:
    """Calls ``work`` and keeps count of calls which outlive their cancellation.

    A thread cannot be cancelled. It is left behind, counted in `stray` until it ends, and
    `on_stray_end` is called in the event loop when the last one has.
    """

    def __init__(
        self, function: Callable[..., Any], in_thread: bool, on_stray_end: Callable[[], None]
    ) -> None:
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function)
        self.in_thread = in_thread and not self._is_async
        self._on_stray_end = on_stray_end
        self.stray = 0

    async def run(self, args: Mapping[str, Any]) -> Any:
        """Return the result of the call. Cancelling leaves a thread behind, if there is one."""
        call = partial(self._function, **args)
        if self._is_async:
            return await call()
        if not self.in_thread:
            await trio.lowlevel.checkpoint()
            return call()
        return await self._run_in_thread(call)

    async def _run_in_thread(self, call: Callable[[], Any]) -> Any:
        token = trio.lowlevel.current_trio_token()
        ended = left_behind = False

        def on_end() -> None:
            nonlocal ended
            ended = True
            if left_behind:
                self.stray -= 1
                if not self.stray:
                    self._on_stray_end()

        def in_thread() -> Any:
            try:
                return call()
            finally:
                # A thread that was left behind may outlive the event loop.
                with contextlib.suppress(trio.RunFinishedError):
                    token.run_sync_soon(on_end)

        try:
            return await trio.to_thread.run_sync(in_thread, abandon_on_cancel=True)
        except trio.Cancelled:
            if not ended:
                left_behind = True
                self.stray += 1
            raise
