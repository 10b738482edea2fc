"""A tracer that shows where a handler hangs, which the machine itself cannot interrupt."""

from __future__ import annotations

import faulthandler
import sys

import am_machine as am

# faulthandler has one timer per process, and handlers nest when one machine mutates another.
_running = 0


class Watchdog(am.Tracer):
    """Dumps the tracebacks of all threads to stderr when a handler runs ``after`` seconds.

    It only reports and never changes states. One report per handler call.
    """

    def __init__(self, after: float = 10.0) -> None:
        if after <= 0:
            raise ValueError("after must be above 0 seconds")
        self._after = after

    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Arm the timer."""
        global _running
        _running += 1
        self._arm()

    def handler_end(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Disarm the timer, or arm it anew for the handler around this one."""
        global _running
        _running -= 1
        if _running > 0:
            self._arm()
        else:
            _running = 0
            faulthandler.cancel_dump_traceback_later()

    def _arm(self) -> None:
        # The original stderr: a replaced one may have no file descriptor.
        faulthandler.dump_traceback_later(self._after, file=sys.__stderr__ or 2)
