"""The runtime directory of one supervisor: private, short, and swept when its owner is gone.

Unix socket paths end at about 100 bytes, so the directory's name is short. A directory is locked
while its owner lives; a sweep removes only what belongs to the same user, names a dead pid and is
not locked (pids alone would be wrong between containers that share a temporary directory).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .._names import RUNTIME_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = re.compile(rf"{RUNTIME_PREFIX}(\d+)-[0-9a-f]+")
_LOCK = "lock"
# The longest path that every platform takes for a unix socket, minus a margin for the socket's own
# name.
_MAX_DIR_BYTES = 80


@contextlib.contextmanager
def runtime_directory(base: Path | None = None) -> Iterator[RuntimeDirectory]:
    """Make a directory of mode 0700 for sockets; it is removed, with all in it, at the end.

    `base` defaults to ``$XDG_RUNTIME_DIR`` if that is a short path to a directory, else the
    temporary directory. Directories left by dead owners are removed first.

    :raises OSError: if no directory can be made there.
    """
    directory = RuntimeDirectory(base)
    try:
        yield directory
    finally:
        directory.remove()


class RuntimeDirectory:
    """A directory of this process for sockets, below `base`; `ensure` makes it again if need be.

    :raises OSError: if no directory can be made there.
    """

    def __init__(self, base: Path | None = None) -> None:
        self._base = base
        self._lock: int | None = None
        self._make()

    def ensure(self) -> Path:
        """Return the path of the directory, which may be another one than before.

        What cleans up temporary files, or the end of a login, may have taken it away.

        :raises OSError: if it is gone and no other can be made.
        """
        if not self.path.is_dir():
            self.remove()
            self._make()
        return self.path

    def remove(self) -> None:
        """Remove it, with all in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)

    def _make(self) -> None:
        root = self._base or _default_base()
        sweep(root)
        self.path = root / f"{RUNTIME_PREFIX}{os.getpid()}-{secrets.token_hex(3)}"
        self.path.mkdir(mode=0o700)
        self.path.chmod(0o700)  # whatever the umask took away
        lock = os.open(self.path / _LOCK, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        os.fchmod(lock, 0o600)
        self._lock = lock
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _default_base() -> Path:
    given = os.environ.get("XDG_RUNTIME_DIR", "")
    for candidate in (given, tempfile.gettempdir()):
        if candidate and len(os.fsencode(candidate)) <= _MAX_DIR_BYTES - 24:
            path = Path(candidate)
            if path.is_dir() and os.access(path, os.W_OK | os.X_OK):
                return path
    return Path("/tmp")


def sweep(root: Path) -> list[Path]:
    """Remove the directories in `root` whose owners are dead; returns those removed."""
    removed = []
    for path in sorted(root.glob(f"{RUNTIME_PREFIX}*")):
        match = _NAME.fullmatch(path.name)
        if match is None or _lives(int(match[1])):
            continue
        with contextlib.suppress(OSError):
            info = path.lstat()
            if stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid() and _unlocked(path):
                shutil.rmtree(path, ignore_errors=True)
                removed.append(path)
    return removed


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True


def _unlocked(path: Path) -> bool:
    try:
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
