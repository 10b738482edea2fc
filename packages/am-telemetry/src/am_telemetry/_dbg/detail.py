"""Level 2: what a journal with details leaves out, log lines between transitions and stacks."""

from __future__ import annotations

import sys
from time import time_ns
from typing import TYPE_CHECKING, Any

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

FRAMES = 16
"""Of the stack of a queued mutation."""


class LineTracer(am.Tracer):
    """Hears the log lines of one machine; those of a transition come with its entry."""

    inheritable = False

    def __init__(self, logged: Callable[[int, int, str], None]) -> None:
        self._logged = logged

    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        """Lines between transitions are told at once."""
        if machine.transition is None:
            self._logged(time_ns() // 1000, int(level), text)


def stack() -> list[str]:
    """Where a mutation was made, innermost frame first, without those of the engine and of this."""
    found: list[str] = []
    walked: Any = sys._getframe(1)
    while walked is not None and len(found) < FRAMES:
        code = walked.f_code
        module = walked.f_globals.get("__name__", "")
        if not str(module).startswith(("am_machine.", "am_telemetry.")):
            found.append(f"{code.co_filename}:{walked.f_lineno} {code.co_qualname}")
        walked = walked.f_back
    return found
