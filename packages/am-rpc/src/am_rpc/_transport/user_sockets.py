"""Sockets of this user: a directory that nobody else can enter, and names in it.

On a host with several users a port on loopback is open to all of them. A socket in a directory of
mode 0700 is not.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path
from typing import Final

_FOLDER: Final = "asyncmachine"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]")
# A socket's whole path is short, and the directory takes a part of it.
_LONGEST: Final = 60
_KEPT: Final = 40
_MOST: Final = 1000
_SUFFIX: Final = ".sock"


def has_user_sockets() -> bool:
    """Tell whether the platform has unix sockets and users."""
    return hasattr(socket, "AF_UNIX") and hasattr(os, "geteuid")


def user_folder() -> Path:
    """Return the directory of this user's sockets, made with mode 0700 if it is missing.

    That is `$XDG_RUNTIME_DIR/asyncmachine`, or `asyncmachine-<uid>` among temporary files.

    :raises OSError: if it is somebody else's, others can enter it, or it cannot be made.
    """
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and os.path.isabs(runtime) and os.path.isdir(runtime):
        folder = Path(runtime, _FOLDER)
    else:
        folder = Path(tempfile.gettempdir(), f"{_FOLDER}-{os.geteuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        folder.chmod(0o700)  # whatever the umask took away
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise PermissionError(f"{folder} is not a directory of this user")
    if status.st_mode & 0o077:
        raise PermissionError(f"{folder} is open to other users: its mode has to be 0700")
    return folder


def user_socket(name: str) -> str:
    """Return an address for a socket called `name` in a directory that is this user's alone.

    The directory is `$XDG_RUNTIME_DIR/asyncmachine`, or `asyncmachine-<uid>` among temporary
    files. A name that is taken by somebody who listens gets `-2`, `-3` and so on behind it.

    :raises OSError: if there is no such directory: it is somebody else's, others can enter it, or
        it cannot be made.
    """
    folder, name = user_folder(), _safe(name)
    for number in range(1, _MOST):
        path = folder / (f"{name}{_SUFFIX}" if number == 1 else f"{name}-{number}{_SUFFIX}")
        if not _is_alive(path):
            return f"unix:{path}"
    raise OSError(f"too many sockets called {name} in {folder}")


def user_sockets(name: str = "") -> tuple[str, ...]:
    """Return the addresses of this user's sockets that somebody listens on.

    Those that `user_socket` gave for `name`, or all without a name. Blocks for a moment, since it
    tries each; without a directory there are none.
    """
    called = re.compile(rf"{re.escape(_safe(name))}(-\d+)?{re.escape(_SUFFIX)}" if name else ".*")
    try:
        folder = user_folder()
        found = sorted(
            entry.path
            for entry in os.scandir(folder)
            if called.fullmatch(entry.name)
            and entry.name.endswith(_SUFFIX)
            and stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode)
            and _is_alive(Path(entry.path))
        )
    except OSError:
        return ()
    return tuple(f"unix:{path}" for path in found)


def _safe(name: str) -> str:
    safe = _UNSAFE.sub("_", name).lstrip(".") or "machine"
    if safe == name and len(safe) <= _LONGEST:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{safe[:_KEPT]}-{digest}"


def _is_alive(path: Path) -> bool:
    """Tell whether somebody listens there; what else is in the way counts as that, too."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            return True
    except FileNotFoundError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except OSError:
            return True
    return True
