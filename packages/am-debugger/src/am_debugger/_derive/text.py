"""Texts from elsewhere made fit to be shown, and times as text."""

from __future__ import annotations

from datetime import datetime

_MICROSECONDS = 1_000_000
_MILLISECOND = 1000
_MINUTE = 60


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


def format_duration(time: int) -> str:
    """Microseconds in the unit that fits."""
    if time < _MILLISECOND:
        return f"{time} us"
    if time < _MICROSECONDS:
        return f"{time / _MILLISECOND:.3f} ms"
    seconds = time / _MICROSECONDS
    if seconds < _MINUTE:
        return f"{seconds:.3f} s"
    minutes, seconds = divmod(int(seconds), _MINUTE)
    hours, minutes = divmod(minutes, _MINUTE)
    return f"{hours}:{minutes:02}:{int(seconds):02} h" if hours else f"{minutes}:{seconds:02} min"
