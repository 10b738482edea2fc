"""Textual on asyncio, and trio as its guest in the same thread."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, Protocol

import am_helpers.guest

from .app import DebuggerApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import trio

    from .._core.debugger import Debugger


class Core(Protocol):
    """The trio side of an instance."""

    debugger: Debugger
    exit_code: int

    async def core_main(self, *, task_status: trio.TaskStatus[None]) -> None:
        """All but the screen."""

    def stop(self, code: int = 0) -> None:
        """End it."""


@contextlib.asynccontextmanager
async def running(core: Core) -> AsyncIterator[DebuggerApp]:
    """The trio side runs; inside, run the app. Leaving ends trio; an error of trio ends the app
    and is raised at the end."""
    ready = asyncio.Event()

    class Status:
        def started(self, value: None = None) -> None:
            ready.set()

    app = DebuggerApp(core.debugger)

    def ended(task: asyncio.Task[None]) -> None:
        if app.is_running:
            app.exit(return_code=1)

    async def main() -> None:
        await core.core_main(task_status=Status())

    async with am_helpers.guest.open_host() as host:
        task = asyncio.create_task(host.run(main))
        task.add_done_callback(ended)
        waiting = asyncio.create_task(ready.wait())
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not ready.is_set():
                await task
                raise RuntimeError("the core ended before it was ready")
            yield app
        finally:
            waiting.cancel()
            core.stop(core.exit_code)
            await task


async def _launch(core: Core) -> int:
    loop = asyncio.get_running_loop()
    async with running(core) as app:
        for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            loop.add_signal_handler(number, _exit, app, 128 + number)
        await app.run_async()
        core.exit_code = app.return_code or 0
    return core.exit_code


def _exit(app: DebuggerApp, code: int) -> None:
    app.exit(return_code=code)


def run_with_screen(core: Core) -> int:
    """Run an instance with its screen, and return the exit code.

    :raises CannotListenError: if an address cannot be listened at.
    :raises DebuggerError: if a dump is none.
    """
    return asyncio.run(_launch(core))
