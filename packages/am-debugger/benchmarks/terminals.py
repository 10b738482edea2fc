"""`am-dbg` on a terminal of 200 by 60, its keys and what it writes; processes to be measured."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

SIZE = (60, 200)
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PLACE = re.compile(r"Transition ([\d_,]+) / ([\d_,]+)")
_ESCAPES = re.compile(r"\x1b\[[0-9;?$]*[a-zA-Z]|\x1b[()][A-Z0-9]|\x1b[=>]")
_KEPT = 1 << 16


class Measured:
    """A process: what of the processor it took, and what it holds."""

    def __init__(self, pid: int) -> None:
        self.pid = pid

    def cpu(self) -> float:
        """Seconds of the processor until now, of all threads, to a microsecond or so."""
        stats = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum([int(stat.read_text().split()[0]) for stat in stats]) / 1e9

    def resident(self) -> int:
        """Bytes of memory that are its own."""
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * _PAGE


class Terminal(Measured):
    """A terminal with `am-dbg` in it. What it writes is read, and kept as text for a while."""

    def __init__(self, folder: Path, *argv: str) -> None:
        self.began = time.monotonic()
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", *SIZE, 0, 0))
        environ = {**os.environ, "XDG_CONFIG_HOME": str(folder), "TERM": "xterm-256color"}
        # The size is that of the terminal, whatever whoever runs this has in the environment.
        for name in ("NO_COLOR", "COLUMNS", "LINES"):
            environ.pop(name, None)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "am_debugger", "-d", str(folder), *argv],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ,
            start_new_session=True,
        )
        os.close(slave)
        self._fd = master
        self.text = ""
        super().__init__(self._process.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(OSError):
            self.press("\x11")  # ctrl+q
            self.read(0.5)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._fd)

    def press(self, keys: str) -> None:
        """Press keys, as bytes that a terminal sends."""
        os.write(self._fd, keys.encode())

    def read(self, seconds: float) -> bool:
        """Read what is written within so many seconds; whether something was."""
        if not select.select([self._fd], [], [], max(seconds, 0))[0]:
            return False
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # it ended
            return False
        told = _ESCAPES.sub("", data.decode(errors="replace"))
        self.text = (self.text + told)[-_KEPT:]
        return True

    def comes(self, is_there: Callable[[], bool], seconds: float) -> bool:
        """Read until something is there, or for so many seconds; whether it is there."""
        until = time.monotonic() + seconds
        while not is_there():
            left = until - time.monotonic()
            if left <= 0:
                return False
            self.read(min(left, 0.2))
        return True

    def until(self, is_there: Callable[[], bool], seconds: float) -> float:
        """Read until something is there; the seconds that took.

        :raises TimeoutError: if it takes longer than so many.
        """
        began = time.monotonic()
        if not self.comes(is_there, seconds):
            raise TimeoutError(f"not within {seconds} s: {self.text[-2000:]!r}")
        return time.monotonic() - began

    def settle(self, seconds: float = 0.25, most: float = 20) -> None:
        """Read until nothing is written for a while."""
        until = time.monotonic() + most
        while self.read(seconds) and time.monotonic() < until:
            pass

    @property
    def place(self) -> tuple[int, int] | None:
        """Where the cursor was said to be last, and of how many."""
        found = _PLACE.findall(self.text)
        if not found:
            return None
        position, total = [int(part.replace("_", "").replace(",", "")) for part in found[-1]]
        return position, total


def headless(folder: Path, *argv: str) -> subprocess.Popen[str]:
    """`am-dbg` without a screen; it has said where it listens."""
    process = subprocess.Popen(
        [sys.executable, "-m", "am_debugger", "--headless", "-d", str(folder), *argv],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CONFIG_HOME": str(folder)},
    )
    assert process.stderr is not None
    process.stderr.readline()
    return process
