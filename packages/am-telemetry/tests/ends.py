"""How long programs take to end, beside one that does the same without telemetry.

What is told is what a program waits for and works at by itself: the time for which others kept its
main thread off the processors is left out, where the system tells it. So it is the same on a
machine that is busy.
"""

from __future__ import annotations

import functools
import os
import select
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, ParamSpec

if TYPE_CHECKING:
    from collections.abc import Callable

P = ParamSpec("P")

PATIENCE = 60.0
"""Seconds after which a program counts as one that hangs."""
MOST = 1.0
"""Seconds that telemetry may delay the end of a program."""
PROLOGUE = """
def ends():
    import time
    try:
        with open("/proc/self/schedstat") as file:
            kept_off = file.read().split()[1]
    except OSError:
        kept_off = "0"
    print("END", time.monotonic(), kept_off, flush=True)
"""
"""A program calls this where it has nothing more to do."""


class Run:
    """A program that runs, and is waited for by `end`."""

    def __init__(
        self, code: str, *flags: str, env: dict[str, str], folder: Path | None = None
    ) -> None:
        program = ["-c", PROLOGUE + code]
        if folder is not None:
            # In a file there, so that it can start itself.
            (folder / "program.py").write_text(PROLOGUE + code)
            program = ["program.py"]
        self._files = (temporary(), temporary())
        self.process = subprocess.Popen(
            [sys.executable, *flags, *program],
            stdin=subprocess.PIPE,
            stdout=self._files[0],
            stderr=self._files[1],
            env=env,
            cwd=folder,
        )

    def tell(self, text: str) -> None:
        """Write to its stdin."""
        assert self.process.stdin is not None
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def end(self) -> Ended:
        """Wait until it is over."""
        try:
            code, over, kept_off = self._wait()
            out, err = (read(file) for file in self._files)
        finally:
            self.close()
        marks = [line.split() for line in out.splitlines() if line.startswith("END ")]
        assert marks, err
        _, at, before = marks[0]
        kept_off = max(kept_off - int(before), 0) if kept_off else 0
        return Ended(code, out, err, over - float(at) - kept_off / 1e9)

    def close(self) -> None:
        """Let go of all; what still runs is killed."""
        self.process.kill()
        self.process.wait()
        for file in (*self._files, self.process.stdin):
            assert file is not None
            file.close()

    def _wait(self) -> tuple[int, float, int]:
        """Exit code, when it ended, and the nanoseconds that it was kept off the processors."""
        process = self.process
        if not hasattr(os, "pidfd_open"):
            return process.wait(PATIENCE), time.monotonic(), 0
        descriptor = os.pidfd_open(process.pid)
        try:
            ready, _, _ = select.select([descriptor], [], [], PATIENCE)
        finally:
            os.close(descriptor)
        over = time.monotonic()
        if not ready:
            raise subprocess.TimeoutExpired(process.args, PATIENCE)
        try:
            # It is over, and yet there: nobody has asked for its exit code.
            kept_off = int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[1])
        except OSError:
            kept_off = 0
        return process.wait(), over, kept_off


def temporary() -> IO[bytes]:
    """A file without a name."""
    return tempfile.TemporaryFile()  # closed with the run


def read(file: IO[bytes]) -> str:
    """All that a program has written."""
    file.seek(0)
    return file.read().decode()


class Ended:
    """A program that ended."""

    def __init__(self, code: int, out: str, err: str, seconds: float) -> None:
        self.code = code
        self.out = out
        self.err = err
        self.seconds = seconds
        """From its word that it has nothing more to do until its end."""


class LateError(AssertionError):
    """A program ended late."""


def assert_delayed_little(ended: Ended, plain: Ended) -> None:
    """Telemetry delayed the end by a second at most, and left the exit code alone.

    :raises LateError: if it delayed it longer.
    """
    assert ended.code == plain.code, ended.err
    if ended.seconds - plain.seconds > MOST:
        raise LateError(f"{ended.seconds:.3f} s, and {plain.seconds:.3f} s without")


def three_tries(test: Callable[P, None]) -> Callable[P, None]:
    """Run a test again if a program ended late: what others do on the machine only adds to that."""

    @functools.wraps(test)
    def tried(*args: P.args, **kwargs: P.kwargs) -> None:
        for left in (2, 1, 0):
            try:
                return test(*args, **kwargs)
            except LateError:
                if not left:
                    raise
        return None

    return tried
