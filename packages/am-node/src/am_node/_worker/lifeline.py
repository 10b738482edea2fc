"""How a worker process makes sure that it does not outlive its supervisor: two lines of defence.

The lifeline works on every system, over ssh, and with a blocked event loop, though not while C
code holds the interpreter's lock. The parent-death signal closes that gap on Linux. A worker that
has neither, on another host, watches its private link; what it cannot watch while its event loop
is blocked, the dead man's switch ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal as signals
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EXIT_ORPHANED = 75
_PR_SET_PDEATHSIG = 1
_READ_SIZE = 4096


def die_with_parent(ppid: int) -> None:
    """Have the kernel kill this process when its parent's forking thread ends (Linux; elsewhere:
    nothing).

    `ppid` is the pid of the supervisor (0: unknown). A parent that died before the request was
    made would go unnoticed, so a process that is orphaned already exits here with code 75, after a
    line that says so. A command that wraps this one, such as ``timeout`` or ``uv run``, is the
    parent instead: this process then ends with it, and by the lifeline with the supervisor.
    """
    if sys.platform != "linux" or not ppid:
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signals.SIGKILL), 0, 0, 0)
    if os.getppid() != ppid and not _exists(ppid):
        told = f"am_node: the supervisor, process {ppid}, is gone or cannot be seen from here\n"
        with contextlib.suppress(OSError):
            os.write(2, told.encode())
        os._exit(EXIT_ORPHANED)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def take_stdin() -> int:
    """Move the lifeline from descriptor 0 to a private one, which is returned; 0 becomes empty.

    Programs that work starts inherit descriptor 0, and `input()` reads it: both find an end there
    instead of blocking on the lifeline for ever. No program inherits the private one.
    """
    private = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    return private


@contextlib.contextmanager
def lifeline(on_lost: Callable[[], None], grace: float, fd: int = 0) -> Iterator[None]:
    """Watch `fd`, the read end of a pipe that the supervisor holds open, in a thread.

    When it ends, `on_lost()` is called in that thread and, `grace` seconds later, the process is
    ended with code 75. Leaving the block before that wakes and joins the thread.
    """
    wake_read, wake_write = os.pipe()

    def watch() -> None:
        if _ends_before_wake(fd, wake_read):
            on_lost()
            if not select.select([wake_read], [], [], grace)[0]:
                os._exit(EXIT_ORPHANED)

    thread = threading.Thread(target=watch, name="am-node-lifeline")
    thread.start()
    try:
        yield
    finally:
        os.write(wake_write, b"x")
        thread.join()
        os.close(wake_read)
        os.close(wake_write)


@contextlib.contextmanager
def dead_mans_switch(limit: float) -> Iterator[Callable[[], None]]:
    """End the process with code 75 if the function given is not called for `limit` seconds.

    A thread waits for that. Leaving the block wakes and joins it.
    """
    wake_read, wake_write = os.pipe()
    called = time.monotonic()

    def alive() -> None:
        nonlocal called
        called = time.monotonic()

    def watch() -> None:
        while (left := called + limit - time.monotonic()) > 0:
            if select.select([wake_read], [], [], left)[0]:
                return
        os._exit(EXIT_ORPHANED)

    thread = threading.Thread(target=watch, name="am-node-dead-man")
    thread.start()
    try:
        yield alive
    finally:
        os.write(wake_write, b"x")
        thread.join()
        os.close(wake_read)
        os.close(wake_write)


def _ends_before_wake(fd: int, wake: int) -> bool:
    while True:
        ready = select.select([fd, wake], [], [])[0]
        if wake in ready:
            return False
        try:
            if not os.read(fd, _READ_SIZE):
                return True
        except OSError:
            return True
