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
                raise _Ended
            yield app
        finally:
            waiting.cancel()
            core.stop(core.exit_code)
            await task


class _Ended(Exception):
    """The core was ended before it was ready."""


class _Ending:
    """What a signal does: it ends the app where it runs, else what is about to run it."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self.app: DebuggerApp | None = None
        self.code: int | None = None

    def end(self, code: int) -> None:
        """End with an exit code."""
        self.code = self._core.exit_code = code
        if self.app is not None and self.app.is_running:
            self.app.exit(return_code=code)
        else:
            self._core.stop(code)


async def _launch(core: Core) -> None:
    loop = asyncio.get_running_loop()
    ending = _Ending(core)
    # From the beginning: a socket file is removed whenever a signal comes.
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        loop.add_signal_handler(number, ending.end, 128 + number)
    loop.add_signal_handler(signal.SIGINT, ending.end, 0)
    with contextlib.suppress(_Ended):
        async with running(core) as app:
            ending.app = app
            if ending.code is None:
                await app.run_async(mouse=core.debugger.settings.mouse)
                core.exit_code = app.return_code or 0


def run_with_screen(core: Core) -> None:
    """Run an instance with its screen; what came of it is its `exit_code`.

    :raises CannotListenError: if an address cannot be listened at.
    :raises DebuggerError: if a dump is none.
    """
    asyncio.run(_launch(core))
