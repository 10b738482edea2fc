"""Styles by meaning, and the two themes that say which colors they are.

Styles name the eight colors of terminals; the theme of the app says what each looks like, so that
the same rows are drawn on dark and on light grounds. What a color tells, a character or a face
tells, too: with `NO_COLOR` nothing is lost.
"""

from __future__ import annotations

from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.theme import Theme

ACTIVE = Style(color="green", bold=True)
MULTI = Style(color="cyan", bold=True)
INACTIVE = Style(color="bright_black")
ERROR = Style(color="red", bold=True)
HAD_ERROR = Style(color="magenta")
DISCONNECTED = Style(color="bright_black", italic=True)
PLAIN = Style()
SELECTED = Style(bold=True, underline=True)
CALLED = Style(underline=True)
CURSOR = Style(reverse=True)
CURRENT = Style(bold=True, bgcolor="black", color="white")
FOUND = Style(bold=True, underline=True, color="yellow")
CHANGED = Style(color="green")
UNCHANGED = Style(color="bright_black")
QUEUED = Style(color="yellow")
CANCELED = Style(color="red")
TIME = Style(color="blue")
LABEL = Style(bold=True)
ERROR_GROUND = Style(bgcolor="bright_red", color="bright_white", bold=True)
SHADED = Style(bgcolor="black", color="white")
JOIN = Style(color="blue")
JOIN_LAST = Style(color="yellow", bold=True)
BAR_DONE = Style(color="cyan")
BAR_LEFT = Style(color="bright_black")

DARK, LIGHT = "am-dark", "am-light"

THEMES = {
    DARK: Theme(
        name=DARK,
        dark=True,
        primary="#7d8aa0",
        secondary="#7d8aa0",
        accent="#5ad4e6",
        foreground="#e6e8ec",
        background="#14161b",
        surface="#1b1e25",
        panel="#1b1e25",
        success="#6fd37a",
        warning="#e3b341",
        error="#ff7b72",
    ),
    LIGHT: Theme(
        name=LIGHT,
        dark=False,
        primary="#5b6470",
        secondary="#5b6470",
        accent="#0b6b7a",
        foreground="#1b1d21",
        background="#ffffff",
        surface="#f4f5f7",
        panel="#f4f5f7",
        success="#1a7f37",
        warning="#8a5a00",
        error="#b42318",
    ),
}
"""Grounds and borders."""


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _terminal(ground: str, text: str, normal: str, bright: str) -> TerminalTheme:
    """Black is the ground of what is current, white the text on it; the same of their bright
    twins, for errors."""
    return TerminalTheme(
        _rgb(ground),
        _rgb(text),
        [_rgb(one) for one in normal.split()],
        [_rgb(one) for one in bright.split()],
    )


ANSI_DARK = _terminal(
    "#14161b",
    "#e6e8ec",
    "#303849 #ff7b72 #6fd37a #e3b341 #79b8ff #e29bf0 #5ad4e6 #ffffff",
    "#9aa4b2 #a5231c #6fd37a #e3b341 #79b8ff #e29bf0 #5ad4e6 #ffffff",
)
ANSI_LIGHT = _terminal(
    "#ffffff",
    "#1b1d21",
    "#d9e2f2 #b42318 #1a7f37 #8a5a00 #0b5cad #8e2bb0 #0b6b7a #000000",
    "#5b6470 #b42318 #1a7f37 #8a5a00 #0b5cad #8e2bb0 #0b6b7a #ffffff",
)
