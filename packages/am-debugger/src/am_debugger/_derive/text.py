"""Texts from elsewhere made fit to be shown, and times as text."""

from __future__ import annotations

from datetime import datetime

_MICROSECONDS = 1_000_000


def inert(text: str) -> str:
    """A text from elsewhere without what terminals act upon: control and bidi characters are shown
    as escapes."""
    if text.isprintable():
        return text
    return "".join([one if one.isprintable() else ascii(one)[1:-1] for one in text])


def format_clock(time: int) -> str:
    """Microseconds since 1970 as the local time of day."""
    try:
        moment = datetime.fromtimestamp(time // _MICROSECONDS)
    except (OverflowError, ValueError, OSError):
        return str(time)
    return f"{moment:%H:%M:%S}.{time % _MICROSECONDS:06d}"
