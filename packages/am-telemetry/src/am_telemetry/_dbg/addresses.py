"""Where debuggers are: `host:port`, `unix:PATH`, or `1` for the places of the user's own one."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import NamedTuple

from .._env import complain_once
from .._errors import AddressError

PORT = 6831
"""Of the debugger, on the loopback interface."""
_FOLDER = "asyncmachine"
_SOCKET = "dbg.sock"


class Address(NamedTuple):
    """Where to connect: a host and a port, or the path of a unix socket."""

    host: str
    port: int
    path: str | None = None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """The place that `host:port`, `[host]:port` or `unix:PATH` names.

    :raises AddressError: if it is none of these.
    """
    text = text.strip()
    if text.startswith("unix:"):
        path = text[5:]
        if not path or "\0" in path:
            raise AddressError(f"{text[:40]!r} has no path")
        return Address("", 0, path)
    host, colon, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise AddressError(f"{text[:40]!r}: write the address in brackets")
    is_port = port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536
    if not (colon and host and is_port and host.isprintable() and " " not in host):
        raise AddressError(f"{text[:40]!r} is neither host:port nor unix:PATH")
    return Address(host, int(port))


def default_addresses(*, make: bool = False) -> tuple[str, ...]:
    """Where the user's own debugger listens, best first: a socket in a folder that nobody else can
    reach, then the loopback interface, which every user of this computer can reach.

    The socket is left out where there are no such sockets, and, with a warning, where the folder is
    another user's or open to others. `make` makes the folder if it is missing.
    """
    folder = user_folder()
    found = [f"127.0.0.1:{PORT}"]
    if folder is not None and (_made(folder) if make else folder.exists()):
        fault = folder_fault(folder)
        if fault is None:
            found.insert(0, f"unix:{folder / _SOCKET}")
        else:
            complain_once("AM_DBG_ADDR", str(folder), fault)
    return tuple(found)


def user_folder() -> Path | None:
    """The folder of the user's sockets; None where there are none."""
    if not hasattr(os, "getuid"):
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if os.path.isabs(runtime):
        return Path(runtime, _FOLDER)
    return Path(tempfile.gettempdir(), f"{_FOLDER}-{os.getuid()}")


def folder_fault(folder: Path) -> str | None:
    """Why a folder is not safe; None if it is."""
    try:
        found = folder.lstat()
    except OSError as exc:
        return f"cannot be read ({exc.strerror})"
    if not stat.S_ISDIR(found.st_mode):
        return "is no folder"
    if found.st_uid != os.getuid():
        return "belongs to another user"
    if found.st_mode & 0o077:
        return "is open to other users"
    return None


def _made(folder: Path) -> bool:
    try:
        for part in (*reversed(folder.parents), folder):
            if not part.is_dir():
                with contextlib.suppress(FileExistsError):
                    part.mkdir(mode=0o700)
                    part.chmod(0o700)  # whatever the umask took away
    except OSError as exc:
        complain_once("AM_DBG_ADDR", str(folder), f"cannot be made ({exc.strerror})")
        return False
    return True


def resolve(text: str) -> tuple[Address, ...]:
    """The places that an address stands for, to be tried in this order.

    :raises AddressError: if it is none.
    """
    if text.strip() in ("1", "true", "yes", "on"):
        return tuple([parse_address(one) for one in default_addresses()])
    return (parse_address(text),)
