"""Machine ids and tags, which tell a reader what a machine is and where it lives."""

from __future__ import annotations

import os
import re
import secrets
import socket
import time

# Of the names of directories in which a supervisor keeps its sockets.
RUNTIME_PREFIX = "am-node-"

_MAX_HOST = 15
_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]")


def host_name() -> str:
    """This host's short name, at most 15 characters."""
    return _UNSAFE.sub("_", socket.gethostname().split(".")[0])[:_MAX_HOST] or "host"


def instance_name() -> str:
    """What tells several instances of one program on one host apart."""
    return str(os.getpid())


def _clock() -> str:
    return time.strftime("%H%M%S")


def supervisor_id(kind: str) -> str:
    """``ns-<kind>-<host>-<HHMMSS>-<instance>``."""
    return f"ns-{kind}-{host_name()}-{_clock()}-{instance_name()}"


def own_name(kind: str) -> str:
    """What a supervisor's socket in the directory of its user is called."""
    return f"node-{kind}"


def worker_id(kind: str) -> str:
    """``nw-<kind>-<host>-<6 random>``."""
    return f"nw-{kind}-{host_name()}-{secrets.token_hex(3)}"


def client_id(kind: str, name: str) -> str:
    """``nc-<kind>-<id>-<HHMMSS>``."""
    return f"nc-{kind}-{name}-{_clock()}"


def wire_id(name: str) -> str:
    """What a peer sees as the id of the RPC client that was named `name`."""
    return f"rc-{name}"
