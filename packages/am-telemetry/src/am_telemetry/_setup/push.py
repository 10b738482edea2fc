"""Pushes to a Pushgateway: every 15 seconds, and once more at the end."""

from __future__ import annotations

import logging
import os
import socket
import threading
from time import monotonic
from typing import TYPE_CHECKING

from .._hub.ending import ENDING, LAST

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("am_telemetry")
INTERVAL = 15.0
"""Seconds between two pushes."""
TIMEOUT = 2.0
"""Seconds that a push may take; the last one as many as the end of the program may be held up."""
POLL = 0.05
"""Seconds between two looks whether the program ended."""


def grouping_key() -> dict[str, str]:
    """What tells this process from others of the same service."""
    return {"instance": f"{socket.gethostname()}:{os.getpid()}"}


class Pusher:
    """Calls `push(seconds)` in a thread of its own until `close` or the end of the program.

    A daemon: a push under way must not hold up the end, which `close` waits for at exit.
    """

    def __init__(self, push: Callable[[float], object], interval: float = INTERVAL) -> None:
        self._push = push
        self._interval = interval
        self._over = threading.Event()
        self._is_failing = False
        self._thread = threading.Thread(target=self._run, name="am-telemetry-push", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Push once more, and no more after that. Again: nothing."""
        self._over.set()
        if self._thread is not threading.current_thread():
            with ENDING.hold(TIMEOUT + LAST) as seconds:
                self._thread.join(seconds)

    def _run(self) -> None:
        main = threading.main_thread()
        due = monotonic() + self._interval
        while not self._over.wait(POLL) and main.is_alive():
            if monotonic() >= due:
                self._try(TIMEOUT)
                due = monotonic() + self._interval
        with ENDING.hold(LAST) as seconds:
            self._try(seconds)

    def _try(self, seconds: float) -> None:
        try:
            self._push(seconds)
        except Exception as exc:
            if not self._is_failing:
                LOGGER.warning("a push to the gateway failed: %s", exc)
            self._is_failing = True
        else:
            self._is_failing = False
