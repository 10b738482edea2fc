"""What the machine asks of the screen.

Handlers run in textual's tasks and in trio's, in one thread. Textual finds its app by a context
variable that trio's tasks lack, so all that touches widgets runs from the loop, in the context that
the app was mounted in.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from typing import TYPE_CHECKING

from textual.css.query import NoMatches

from .._files.inspect import inert

if TYPE_CHECKING:
    from .._core.ports import Part
    from .app import DebuggerApp

FRAME = 0.016
"""Seconds from one drawing to the next at the quickest."""
LAZY = 0.05
"""Seconds after which that is drawn which nobody has asked for by a key: with the way to here, what
is made is seen within a tenth of a second."""
# That is drawn no more than this share of the time.
_LAZY_SHARE = 0.15


class ScreenPort:
    """Collects what has to be drawn, and draws it once a frame. To be made where the app is
    mounted."""

    def __init__(self, app: DebuggerApp) -> None:
        self._app = app
        self._pace = app.debugger.pace
        self._loop = asyncio.get_running_loop()
        self._context = contextvars.copy_context()
        self._invalid: set[Part] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = self._drawn = 0.0
        # Seconds that what nobody asked for took last, and whether that is what is drawn next.
        self._took = 0.0
        self._is_lazy = True

    def invalidate(self, *parts: Part, lazily: bool = False) -> None:
        """These parts are to be drawn anew: at once if nothing was drawn just now, or lazily."""
        self._invalid.update(parts)
        now = self._loop.time()
        self._is_lazy = self._is_lazy and lazily
        rest = max(LAZY, self._took / _LAZY_SHARE) if lazily else FRAME
        due = max(self._drawn + rest, now)
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_later(due - now, self._draw, context=self._context)

    def _draw(self) -> None:
        self._timer = None
        invalid, self._invalid = self._invalid, set()
        began = self._loop.time()
        if self._app.is_mounted_whole:
            with contextlib.suppress(NoMatches):  # it is being taken down
                self._app.draw(invalid)
        self._drawn = self._loop.time()
        if self._is_lazy:
            self._took = self._drawn - began
        self._is_lazy = True
        if self._pace.has_key:
            self._app.call_after_refresh(self._pace.end_key)

    def repaint(self) -> None:
        """All is to be drawn anew, what did not change, too: others wrote to the terminal."""
        self._loop.call_soon(self._repaint, context=self._context)

    def _repaint(self) -> None:
        if self._app.is_mounted_whole:
            self._app.screen.refresh()

    def notify(self, text: str) -> None:
        """Tell the user something in a line."""
        self._loop.call_soon(self._notify, text, context=self._context)

    def _notify(self, text: str) -> None:
        if self._app.is_mounted_whole:
            self._app.notify(inert(text), markup=False)

    def focus(self, state: str) -> None:
        """The pane of this focus state has the focus now."""
        self._loop.call_soon(self._focus, state, context=self._context)

    def find(self, text: str, *, forward: bool) -> bool:
        """Put the reader's cursor on the next row that has a text; False if there is none."""
        if not self._app.is_mounted_whole:
            return False
        return self._context.copy().run(self._app.find_in_reader, text, forward=forward)

    def _focus(self, state: str) -> None:
        if self._app.is_mounted_whole:
            self._app.focus_pane(state)
