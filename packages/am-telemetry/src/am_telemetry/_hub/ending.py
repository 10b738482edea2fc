"""How long the end of a program may be held up, by all of telemetry together.

Several threads have something to send once the main thread has ended, beside each other or one
after the other, and each of them may have a peer that takes nothing.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LAST = 0.8
"""Seconds for all. To notice the end and to stop afterwards takes time as well: all of it is meant
to be within a second."""


class Ending:
    """Counts the seconds in which anybody holds up the end. In any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holders = 0
        self._since = 0.0
        self._spent = 0.0

    @contextmanager
    def hold(self, seconds: float) -> Iterator[float]:
        """Hold up the end of the program, if it has come; gives the seconds for which that may be.

        While the main thread lives nothing is held up, and all `seconds` are given.
        """
        if threading.main_thread().is_alive():
            yield seconds
            return
        with self._lock:
            now = monotonic()
            if not self._holders:
                self._since = now
            self._holders += 1
            left = LAST - self._spent - (now - self._since)
        try:
            yield max(0.0, min(seconds, left))
        finally:
            with self._lock:
                self._holders -= 1
                if not self._holders:
                    self._spent += monotonic() - self._since

    def forked(self) -> None:
        """This is a child process, whose main thread goes on from here."""
        self.__init__()  # type: ignore[misc] # all of it begins anew


ENDING = Ending()
"""The one of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ENDING.forked)
