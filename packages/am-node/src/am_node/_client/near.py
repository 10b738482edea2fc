"""Workers on the client's own host: a unix socket costs half of what TCP does.

A supervisor names it beside the worker's public address. It is in the supervisor's directory, which
only its user can enter; whoever does not find it there takes the other way.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

import trio

from .._address import host_port
from .._names import RUNTIME_PREFIX

if TYPE_CHECKING:
    from .._tls import Dialer

SCHEME: Final = "unix:"


def is_near(addr: str) -> bool:
    """Whether this is the address of a unix socket of this very user, in such a directory.

    A supervisor on another host may name any path, and must not lead to sockets of other programs.
    """
    path = addr.removeprefix(SCHEME)
    folder = os.path.basename(os.path.dirname(path))
    if path == addr or not folder.startswith(RUNTIME_PREFIX):
        return False
    try:
        info = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISSOCK(info.st_mode) and info.st_uid == os.geteuid()


def near_dialer(near: str, addr: str) -> Dialer:
    """What connects to `near` if somebody listens there, else to `addr`, a ``host:port``.

    :raises ValueError: if `addr` is none.
    """
    host, port = host_port(addr)

    async def dial() -> trio.abc.Stream:
        try:
            return await trio.open_unix_socket(near.removeprefix(SCHEME))
        except OSError:
            return await trio.open_tcp_stream(host, port)

    return dial
