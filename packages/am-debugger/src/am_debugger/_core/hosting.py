"""The trio side of an instance as a guest of asyncio's loop, beside what needs that loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Protocol

import am_helpers.guest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import trio

    from .debugger import Debugger


class Core(Protocol):
    """The trio side of an instance."""

    debugger: Debugger
    exit_code: int

    async def core_main(self, *, task_status: trio.TaskStatus[None]) -> None:
        """All but what is beside it."""

    def stop(self, code: int = 0) -> None:
        """End it."""


class EndedEarly(Exception):
    """The core was ended before it was ready."""


@contextlib.asynccontextmanager
async def hosted(core: Core, on_end: Callable[[], object]) -> AsyncIterator[None]:
    """The trio side runs, and is ready inside. If it ends first, `on_end` is called. Leaving ends
    it; an error of it is raised at the end.

    :raises EndedEarly: if it was ended before it was ready.
    """
    ready = asyncio.Event()

    class Status:
        def started(self, value: None = None) -> None:
            ready.set()

    async def main() -> None:
        await core.core_main(task_status=Status())

    async with am_helpers.guest.open_host() as host:
        task = asyncio.create_task(host.run(main))
        task.add_done_callback(lambda task: on_end())
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.is_set():
                await task
                raise EndedEarly
            yield
        finally:
            waiting.cancel()
            core.stop(core.exit_code)
            await task


def on_signals(end: Callable[[int], object]) -> None:
    """Call `end` with the exit code where a signal wants an end: 0 for SIGINT, 128 and its number
    for SIGTERM and SIGHUP. To be called in the loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        loop.add_signal_handler(number, end, 128 + number)
    loop.add_signal_handler(signal.SIGINT, end, 0)
