"""A folder for the sockets of one process, that nobody else may enter.

A process that is killed leaves its folder behind. Each holds a lock in it as long as it lives, so
that the next one can tell which folders are nobody's any more, and removes them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "am-dbg-tabs-"
_LOCK = "lock"
# A folder without a lock may be one that is being made.
_YOUNG = 60.0


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """A folder of mode 0700, removed at the end; those of processes that were killed go first.

    :raises OSError: if there is no room for one.
    """
    _remove_stale()
    with tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        held = os.open(folder / "new", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(held, fcntl.LOCK_EX)
            # Whoever finds a lock finds it held, if its process lives.
            (folder / "new").rename(folder / _LOCK)
            yield folder
        finally:
            os.close(held)


def _remove_stale() -> None:
    """Remove this user's folders that nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.lstat().st_uid == os.getuid() and not folder.is_symlink():
                _remove_if_stale(folder)


def _remove_if_stale(folder: Path) -> None:
    try:
        lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        if time.time() - folder.stat().st_mtime > _YOUNG:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)  # BlockingIOError: its process lives
