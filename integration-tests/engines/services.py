"""Real services for tests: private folders, loopback alone, and only own processes are ended.

A service knows the processes that it started by their ids. What those start in turn is found by a
mark in the environment, which every descendant inherits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MARK = "AM_ENGINE_RUN"
_LOOK = 0.05
_TAIL = 1500  # characters of a log


class Services:
    """Started programs, with their logs in `folder`; `close` ends them, the latest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = uuid.uuid4().hex
        self._started: list[subprocess.Popen[bytes]] = []

    def environment(self, env: Mapping[str, str] | None = None) -> dict[str, str]:
        """This environment with the mark and `env`."""
        return {**os.environ, _MARK: self.mark, **(env or {})}

    def start(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        """Start a program in a session of its own."""
        with (self.folder / f"{name}.out").open("ab") as output:
            process = subprocess.Popen(
                command,
                env=self.environment(env),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.folder,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def run(self, *command: str, env: Mapping[str, str] | None = None, patience: float = 60) -> str:
        """Run a program to its end and return what it printed.

        :raises RuntimeError: if it fails.
        """
        done = subprocess.run(
            command,
            env=self.environment(env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience,
            cwd=self.folder,
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
        return done.stdout

    def said(self) -> str:
        """The last lines of everything that was started here."""
        outputs = sorted(self.folder.glob("*.out"))
        return "\n".join(f"{path.name}: {path.read_text()[-_TAIL:]}" for path in outputs)

    def close(self) -> None:
        """End everything that was started here, and what that started."""
        for process in reversed(self._started):
            stop(process)
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.descendants():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(TimeoutError):
                until(lambda: not self.descendants(), 5, "processes are left")

    def descendants(self) -> list[int]:
        """Processes that have the mark in their environment."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if f"{_MARK}={self.mark}".encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return [pid for pid in found if pid != os.getpid()]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, and end it if it does not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def until(is_true: Callable[[], object], seconds: float, what: str) -> None:
    """Wait for something that nobody announces.

    :raises TimeoutError: if it does not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(_LOOK)  # real servers, which nothing announces the doings of


def free_port() -> int:
    """A port of loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
