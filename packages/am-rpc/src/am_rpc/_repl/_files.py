"""Reading small files that somebody else may have written."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# Without it a named pipe would hold us until somebody writes; Windows has neither.
_NO_WAITING: Final = getattr(os, "O_NONBLOCK", 0)


def read_bounded(path: Path, limit: int) -> bytes:
    """Return what is in a file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no regular file, or longer than `limit` bytes.
    """
    handle = os.open(path, os.O_RDONLY | _NO_WAITING)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError(f"{path}: not a file")
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path}: longer than {limit} bytes")
    return data
