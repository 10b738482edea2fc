"""The one process-wide switch: debug mode stretches time-outs, as people step through code."""

from __future__ import annotations

_DEBUG_FACTOR = 100.0
_factor = 1.0


def set_debug_mode(on: bool) -> None:
    """Stretch, or stop stretching, the time-outs of every waiting call of this package."""
    global _factor
    _factor = _DEBUG_FACTOR if on else 1.0


def stretch(seconds: float) -> float:
    """Return the time-out to use instead of ``seconds``."""
    return seconds * _factor
