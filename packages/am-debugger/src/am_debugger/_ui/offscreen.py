"""The screen without a terminal, for whoever reads it as text."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from .app import DebuggerApp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from textual.pilot import Pilot

    from .._core.debugger import Debugger

SIZE = (160, 48)


@contextlib.asynccontextmanager
async def offscreen(
    debugger: Debugger, size: tuple[int, int] = SIZE
) -> AsyncIterator[Callable[[], str]]:
    """Run the screen unseen; inside is what gives its text, line by line."""
    app = DebuggerApp(debugger)
    ready = asyncio.Event()

    async def tell(pilot: Pilot[object]) -> None:
        ready.set()

    screen = app.run_async(headless=True, size=size, mouse=False, auto_pilot=tell)
    running = asyncio.create_task(screen)
    waiting = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        yield lambda: text_of(app)
    finally:
        waiting.cancel()
        app.exit()
        await running


def text_of(app: DebuggerApp) -> str:
    """What the screen shows, without colors."""
    lines = app.screen._compositor.render_strips()
    return "\n".join([strip.text.rstrip() for strip in lines])
