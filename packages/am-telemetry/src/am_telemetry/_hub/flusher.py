"""One daemon thread for what may take longer than anybody wants to wait: flushes of exporters.

Their own limits of time are not kept by all of them, so the wait is limited here. A daemon, since a
flush that hangs must not hold up the end of the program; begun in time, since Python starts no
threads any more once the main thread has ended.
"""

from __future__ import annotations

import logging
import os
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

from .ending import ENDING

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("am_telemetry")


class _Job:
    __slots__ = ("done", "fn", "is_wanted", "succeeded")

    def __init__(self, fn: Callable[[], object]) -> None:
        self.fn = fn
        self.done = threading.Event()
        self.is_wanted = True
        self.succeeded = False


class Flusher:
    """Runs one job after another in a thread of its own."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Start the thread, unless it runs or none can be started any more."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            thread = threading.Thread(target=self._run, name="am-telemetry-flush", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the interpreter is going down
                return
            self._thread = thread

    def run(self, fn: Callable[[], object], seconds: float) -> bool:
        """Have `fn` called and wait for it, so many seconds at most. False if it did not end in
        time, which it may do later unless it had not begun, or if it raised or returned False."""
        self.prepare()
        if self._thread is None:
            return False
        job = _Job(fn)
        self._jobs.put(job)
        with ENDING.hold(seconds) as most:
            has_ended = job.done.wait(max(most, 0.0))
        if not has_ended:
            job.is_wanted = False
            return False
        return job.succeeded

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            if not job.is_wanted:
                continue
            try:
                job.succeeded = job.fn() is not False
            except Exception:
                LOGGER.warning("a flush failed", exc_info=True)
            job.done.set()

    def forked(self) -> None:
        """This is a child process: the thread is not here, and begins anew if there was one."""
        was_prepared = self._thread is not None
        self._jobs = SimpleQueue()
        self._thread = None
        self._lock = threading.Lock()
        if was_prepared:
            self.prepare()


FLUSHER = Flusher()
"""The one of this process."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=FLUSHER.forked)
