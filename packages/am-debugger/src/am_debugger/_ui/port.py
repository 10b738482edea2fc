"""What the machine asks of the screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .._core.ports import Part
    from .app import DebuggerApp

FRAME = 0.016
"""Seconds from one drawing to the next at the quickest."""


class ScreenPort:
    """Collects what has to be drawn, and draws it once a frame."""

    def __init__(self, app: DebuggerApp) -> None:
        self._app = app
        self._invalid: set[Part] = set()
        self._is_scheduled = False

    def invalidate(self, *parts: Part) -> None:
        """These parts are to be drawn anew, soon."""
        self._invalid.update(parts)
        if not self._is_scheduled and self._app.is_mounted_whole:
            self._is_scheduled = True
            self._app.set_timer(FRAME, self._draw)

    def _draw(self) -> None:
        self._is_scheduled = False
        invalid, self._invalid = self._invalid, set()
        self._app.draw(invalid)

    def notify(self, text: str) -> None:
        """Tell the user something in a line."""
        if self._app.is_mounted_whole:
            self._app.notify(text, markup=False)

    def focus(self, state: str) -> None:
        """The pane of this focus state has the focus now."""
        if self._app.is_mounted_whole:
            self._app.focus_pane(state)
