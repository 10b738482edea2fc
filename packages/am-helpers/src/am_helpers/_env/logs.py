"""Where machines' log lines go when environment variables ask for it."""

from __future__ import annotations

import logging
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from .values import LOGGER

if TYPE_CHECKING:
    import am_machine as am

_MACHINES = logging.getLogger("am_machine")
_ALL_LINES = 5  # the lowest stdlib level that machines use
_FORMAT = "%(asctime)s %(machine)s %(message)s"
_UNSAFE = r"[^A-Za-z0-9_.-]"
_MAX_NAME = 200  # file systems end names at 255 bytes

_stdout: logging.StreamHandler[TextIO] | None = None


def print_logs() -> None:
    """Send the lines of all machines to stdout, from now on; again: to the present stdout."""
    global _stdout
    if _stdout is None:
        _stdout = logging.StreamHandler(sys.stdout)
        _stdout.setFormatter(logging.Formatter(_FORMAT))
        _MACHINES.addHandler(_stdout)
        _MACHINES.setLevel(_ALL_LINES)
    else:
        _stdout.setStream(sys.stdout)


def log_to_file(mach: am.MachineApi) -> None:
    """Append the machine's lines to ``<id>.log`` in the current directory until it is disposed.

    A file that cannot be opened is a warning.
    """
    path = Path(re.sub(_UNSAFE, "_", mach.id)[:_MAX_NAME] + ".log")
    try:
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as exc:
        LOGGER.warning("AM_LOG_FILE: cannot write %s: %s", path, exc)
        return
    name = mach.id
    handler.setFormatter(logging.Formatter(_FORMAT))
    handler.addFilter(lambda record: getattr(record, "machine", None) == name)
    _MACHINES.addHandler(handler)
    _MACHINES.setLevel(_ALL_LINES)

    def close(machine: object) -> None:
        _MACHINES.removeHandler(handler)
        handler.close()

    mach.on_dispose(close)


class TracebackPaths(logging.Filter):
    """Takes a prefix off the file paths in logged tracebacks."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self.prefix = prefix

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and not record.exc_text:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text = text.replace(f'File "{self.prefix}', 'File "')
        return True


def shorten_tracebacks(prefix: str) -> None:
    """Have `TracebackPaths` work for all machines, with the prefix given last."""
    for known in _MACHINES.filters:
        if isinstance(known, TracebackPaths):
            known.prefix = prefix
            return
    _MACHINES.addFilter(TracebackPaths(prefix))
