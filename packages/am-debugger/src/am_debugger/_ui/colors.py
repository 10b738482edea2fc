"""Styles by meaning, and the two themes that say which colors they are.

Styles name the eight colors of terminals; the theme of the app says what each looks like, so that
the same rows are drawn on dark and on light grounds. What a color tells, a character or a face
tells, too: with `NO_COLOR` nothing is lost.
"""

from __future__ import annotations

from typing import NamedTuple

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
CELL = Style(reverse=False, bold=True, underline=True)
"""The one cell of a row under the cursor that keys act on."""
CURRENT = Style(bold=True, bgcolor="black", color="white")
FOUND = Style(bold=True, underline=True, color="yellow")
CHANGED = Style(color="green")
UNCHANGED = Style(color="bright_black")
QUEUED = Style(color="yellow")
CANCELED = Style(color="red")
TIME = Style(color="blue")
LABEL = Style(bold=True)
DIFFERS = Style(bold=True, underline=True)
ERROR_GROUND = Style(bgcolor="bright_red", color="bright_white", bold=True)
SHADED = Style(bgcolor="black", color="white")
JOIN = Style(color="blue")
JOIN_LAST = Style(color="yellow", bold=True)
BAR_DONE = Style(color="cyan")
BAR_LEFT = Style(color="bright_black")

DARK, LIGHT = "am-dark", "am-light"


class Palette(NamedTuple):
    """What a theme paints with. Text of each color stands out from `ground` and from `surface`."""

    ground: str
    surface: str
    """The ground of what opens over the panes."""
    text: str
    frame: str
    faint: str
    red: str
    green: str
    yellow: str
    blue: str
    magenta: str
    cyan: str
    shade: str
    """The ground of what is current."""
    on_shade: str
    error_ground: str
    on_error: str


PALETTES = {
    DARK: Palette(
        ground="#14161b",
        surface="#1b1e25",
        text="#e6e8ec",
        frame="#7d8aa0",
        faint="#9aa4b2",
        red="#ff7b72",
        green="#6fd37a",
        yellow="#e3b341",
        blue="#79b8ff",
        magenta="#e29bf0",
        cyan="#5ad4e6",
        shade="#303849",
        on_shade="#ffffff",
        error_ground="#a5231c",
        on_error="#ffffff",
    ),
    LIGHT: Palette(
        ground="#ffffff",
        surface="#f4f5f7",
        text="#1b1d21",
        frame="#5b6470",
        faint="#5b6470",
        red="#b42318",
        green="#1a7f37",
        yellow="#8a5a00",
        blue="#0b5cad",
        magenta="#8e2bb0",
        cyan="#0b6b7a",
        shade="#d9e2f2",
        on_shade="#000000",
        error_ground="#b42318",
        on_error="#ffffff",
    ),
}
"""The colors of each theme; all else is made of them."""


def theme_of(name: str) -> Theme:
    """Grounds and borders of a theme, as textual takes them."""
    palette = PALETTES[name]
    return Theme(
        name=name,
        dark=name == DARK,
        primary=palette.frame,
        secondary=palette.frame,
        accent=palette.cyan,
        foreground=palette.text,
        background=palette.ground,
        surface=palette.surface,
        panel=palette.surface,
        success=palette.green,
        warning=palette.yellow,
        error=palette.red,
    )


def terminal_of(name: str) -> TerminalTheme:
    """What the eight colors of terminals look like in a theme. Black is the ground of what is
    current, white the text on it; the same of their bright twins, for errors."""
    p = PALETTES[name]
    hues = (p.green, p.yellow, p.blue, p.magenta, p.cyan)
    return TerminalTheme(
        _rgb(p.ground),
        _rgb(p.text),
        [_rgb(one) for one in (p.shade, p.red, *hues, p.on_shade)],
        [_rgb(one) for one in (p.faint, p.error_ground, *hues, p.on_error)],
    )


def _rgb(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
