"""Styles by meaning, for dark and light terminals."""

from __future__ import annotations

from rich.style import Style

ACTIVE = Style(color="green")
MULTI = Style(color="cyan")
INACTIVE = Style(dim=True)
ERROR = Style(color="red", bold=True)
HAD_ERROR = Style(color="magenta")
DISCONNECTED = Style(color="bright_black")
PLAIN = Style()
SELECTED = Style(bold=True, underline=True)
CURSOR = Style(reverse=True)
CURRENT = Style(bold=True, bgcolor="grey23", color="white")
CHANGED = Style(color="green")
UNCHANGED = Style(color="bright_black")
QUEUED = Style(color="yellow")
CANCELED = Style(color="red")
TIME = Style(color="blue")
LABEL = Style(bold=True)
ERROR_GROUND = Style(bgcolor="red", color="white")
BAR_DONE = Style(color="cyan")
BAR_LEFT = Style(color="bright_black")
