"""Who this process is to other debuggers, and how it proves that."""

from __future__ import annotations

import os
import secrets
import socket
import ssl
import time
from pathlib import Path
from typing import TYPE_CHECKING

from am_telemetry import dbg

from ..__about__ import __version__
from .values import UsageError

if TYPE_CHECKING:
    import argparse


def own_process() -> dbg.Process:
    """This process, as others are told of it."""
    return dbg.Process(
        secrets.token_hex(8),
        os.getpid(),
        socket.gethostname(),
        "am-dbg",
        f"am-debugger {__version__}",
        time.time_ns() // 1000,
    )


def secret_of(variable: str | None) -> bytes | None:
    """The secret in a variable; None if none is named.

    :raises UsageError: if the variable is empty or not set.
    """
    if variable is None:
        return None
    value = os.environ.get(variable)
    if not value:
        raise UsageError(f"the variable {variable} with the secret is empty or not set")
    return value.encode()


def client_tls(ca: Path | None) -> ssl.SSLContext | None:
    """What trusts a certificate; None if none is named.

    :raises UsageError: if it cannot be read.
    """
    if ca is None:
        return None
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as exc:
        raise UsageError(f"--tls-ca: {exc}") from exc


def add_peer_options(parser: argparse.ArgumentParser) -> None:
    """Who a collector is proved to be, and we to it."""
    add = parser.add_argument
    add("--peer-secret-env", metavar="VAR", help="variable with the collector's secret")
    add("--tls-ca", type=Path, metavar="FILE", help="certificate to trust")
