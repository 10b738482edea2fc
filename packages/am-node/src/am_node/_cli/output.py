"""Writing results: each line arrives, or it is told that it did not."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from .codes import OutputError


def check_stdout() -> None:
    """Refuse to begin where no result could be written.

    :raises OutputError: if stdout is closed.
    """
    if sys.stdout is None or sys.stdout.closed:
        raise OutputError("stdout is closed, so no result could be written")


def write(text: str) -> None:
    """Write a line and see that it leaves this process.

    Of characters that the encoding of stdout lacks, escapes are written.

    :raises OutputError: if it cannot be written, with the line itself where that is still of use.
    """
    encoding = sys.stdout.encoding or "utf-8"
    text = text.encode(encoding, "backslashreplace").decode(encoding)
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _forget()
        raise OutputError("nobody reads the output any more", quiet=True) from None
    except (OSError, ValueError) as exc:
        _forget()
        raise OutputError(f"stdout: {exc}; not written: {text}") from exc


def write_json(value: Any) -> None:
    """Write a value as one line of JSON.

    :raises OutputError: as of `write`.
    """
    text = json.dumps(value, default=str, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json.dumps(value, default=str)
    write(text)


def _forget() -> None:
    """Have the interpreter not try again, at its end, to write what could not be written."""
    try:
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, sys.stdout.fileno())
        os.close(empty)
    except (OSError, ValueError):
        return
