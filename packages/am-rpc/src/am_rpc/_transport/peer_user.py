"""Which user is at the other end of a unix socket, as the kernel knows it."""

from __future__ import annotations

import os
import socket
import struct
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import trio

# Linux hands over pid, uid and gid; the BSDs a version, the effective uid, and groups.
_LINUX: Final = struct.Struct("3i")
_BSD: Final = struct.Struct("2I")
_SOL_LOCAL: Final = 0
_LOCAL_PEERCRED: Final = 1


def peer_user(stream: trio.abc.Stream) -> int | None:
    """Return the user id of the process at the other end, None where nobody knows it."""
    sock = getattr(stream, "socket", None)
    if sock is None or sock.family != getattr(socket, "AF_UNIX", None):
        return None
    try:
        if sys.platform == "linux":
            found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _LINUX.size)
            return int(_LINUX.unpack(found)[1])
        found = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, 128)
        return int(_BSD.unpack_from(found)[1])
    except (OSError, struct.error):
        return None


def is_peer_trusted(stream: trio.abc.Stream) -> bool:
    """Tell whether the other end of a unix socket is this user's or root's; others are not asked.

    A peer whose user the system does not tell is trusted as far as the socket's file lets it in.
    """
    user = peer_user(stream)
    return user is None or user in (0, os.geteuid())
