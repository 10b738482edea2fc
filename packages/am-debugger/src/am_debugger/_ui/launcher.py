"""Textual on asyncio, and trio as its guest in the same thread."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from .._core.hosting import EndedEarly, hosted, on_signals
from .app import DebuggerApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._core.hosting import Core


@contextlib.asynccontextmanager
async def running(core: Core) -> AsyncIterator[DebuggerApp]:
    """The trio side runs; inside, run the app. Leaving ends trio; an error of trio ends the app
    and is raised at the end."""
    app = DebuggerApp(core.debugger)

    def ended() -> None:
        if app.is_running:
            app.exit(return_code=1)

    async with hosted(core, ended):
        yield app


SWITCH_INTERVAL = 0.001
"""Seconds that a thread has the interpreter for itself while others want it. Textual reads keys and
writes the screen in threads of their own: by the usual 5 ms, a key would wait for three or four
times as long in all while much comes in, before anything is done for it and after it was drawn."""


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
    ending = _Ending(core)
    on_signals(ending.end)  # from the beginning: a socket file is removed whenever one comes
    with contextlib.suppress(EndedEarly):
        async with running(core) as app:
            ending.app = app
            if ending.code is None:
                await app.run_async(mouse=core.debugger.settings.mouse)
                core.exit_code = app.return_code or 0


def run_with_screen(core: Core) -> None:
    """Run an instance with its screen; what came of it is its `exit_code`.

    :raises CannotListenError: if an address cannot be listened at.
    :raises DumpError: if a dump is none.
    """
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_INTERVAL)
    try:
        asyncio.run(_launch(core))
    finally:
        sys.setswitchinterval(usual)
