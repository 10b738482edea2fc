"""What runs at the other end of the launcher for Ray: an actor whose process is the worker.

Ray would put what a process prints into files of its own. The actor takes its standard streams
back, and hands out the lines.
"""

from __future__ import annotations

import contextlib
import os
import signal as signals
import socket
import sys
import threading
import time
from collections import deque

import ray  # type: ignore[import-not-found,unused-ignore]

from .._worker.main import drain_worker, run_worker

# Lines that wait to be fetched, and how many go at once.
_MOST_WAITING = 10_000
_MOST_AT_ONCE = 500
_LONGEST_LINE = 8 * 1024
_LONGEST_WAIT = 5.0
_LAST_LINES = 1.0
_LOOK = 0.02
# The field of a process's stat after its name.
_BEGUN = 19
_STREAMS = {1: "stdout", 2: "stderr"}

Line = tuple[str, str]


class Place:
    """The actor. Its methods run at the same time, each in a thread of its process."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque(maxlen=_MOST_WAITING)
        self._changed = threading.Condition()
        self._readers: list[threading.Thread] = []
        self._is_over = False

    def where(self) -> tuple[int, str, str, str]:
        """The pid, since when it is this process's, the host, and Ray's name of the node."""
        pid = os.getpid()
        return pid, begun(pid), host_id(), ray.get_runtime_context().get_node_id()

    def work(self, environment: dict[str, str]) -> int:
        """Be a worker; returns its exit code."""
        os.environ.update(environment)
        self._take_streams()
        try:
            run_worker(leave=sys.exit)
        except SystemExit as end:
            return int(end.code or 0)
        finally:
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(OSError, ValueError):
                    stream.flush()

    def drain(self) -> None:
        """Have the worker finish its work and end."""
        drain_worker()

    def lines(self) -> tuple[list[Line], bool]:
        """What was printed since the last call, and whether that was all there will be.

        Waits up to five seconds for something.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._is_over, _LONGEST_WAIT)
            count = min(len(self._lines), _MOST_AT_ONCE)
            taken = [self._lines.popleft() for _ in range(count)]
            return taken, self._is_over and not self._lines

    def finish(self) -> None:
        """Print nothing more, and let the rest of what was printed arrive."""
        empty = os.open(os.devnull, os.O_WRONLY)
        for descriptor in _STREAMS:
            os.dup2(empty, descriptor)  # which ends the pipe that it was
        for reader in self._readers:
            reader.join(_LAST_LINES)
        with self._changed:
            self._is_over = True
            self._changed.notify_all()

    def _take_streams(self) -> None:
        for descriptor, name in _STREAMS.items():
            read, write = os.pipe()
            os.dup2(write, descriptor)
            os.close(write)
            stream = open(descriptor, "w", buffering=1, closefd=False)  # noqa: SIM115 - stays open
            setattr(sys, name, stream)
            reader = threading.Thread(target=self._read, args=(read, name), daemon=True)
            reader.start()
            self._readers.append(reader)

    def _read(self, descriptor: int, name: str) -> None:
        with open(descriptor, encoding="utf-8", errors="replace", newline="\n") as stream:
            while line := stream.readline(_LONGEST_LINE):
                with self._changed:
                    self._lines.append((name, line.rstrip("\n")))
                    self._changed.notify_all()


def host_id() -> str:
    """What no two hosts have in common, and two containers of one neither."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return socket.gethostname()


def _stat(pid: int) -> list[str]:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()


def begun(pid: int) -> str:
    """When a process of this host began, as the kernel counts; empty if it cannot be known."""
    try:
        return _stat(pid)[_BEGUN]
    except (OSError, IndexError):
        return ""


def is_gone(pid: int, since: str) -> bool:
    """Whether that process of this host is no more, or nothing but its exit code."""
    try:
        # The first thread of a process may have ended while others hold its sockets open.
        is_dead = _stat(pid)[0] in {"Z", "X"} and len(os.listdir(f"/proc/{pid}/task")) <= 1
        return is_dead or begun(pid) != since
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def end(pid: int, since: str) -> None:
    """Kill that process of this host: one that is stopped does not hear Ray."""
    if since and not is_gone(pid, since):
        with contextlib.suppress(OSError):
            os.kill(pid, signals.SIGKILL)


def end_and_wait(pid: int, since: str, seconds: float) -> bool:
    """Kill that process of this host; True if it is gone in time."""
    end(pid, since)
    deadline = time.monotonic() + seconds
    while not is_gone(pid, since):
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK)
    return True
