"""How to reach machines, as flags of the command line say it."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Final

from .._reason import reason
from .._transport.address import parse_address
from ._addr_files import Source
from ._files import read_bounded
from ._outcome import Code, CommandError
from ._pool import Access

_MAX_SECRET: Final = 4096


def source_from(addrs: tuple[str, ...], file: Path | None, folder: Path | None) -> Source:
    """Return where machines are; without any of these, as the environment says.

    Raises:
        CommandError: they exclude each other, or there is no such place.
    """
    if sum((bool(addrs), file is not None, folder is not None)) > 1:
        raise CommandError(Code.USAGE, "ADDR, -f and -d exclude each other")
    if not addrs and file is None and folder is None:
        named = os.environ.get("AM_REPL_DIR")
        return Source(folder=Path(named)) if named else Source(user=True)
    if folder is not None and not folder.is_dir():
        raise CommandError(Code.USAGE, f"{folder}: no such directory")
    if file is not None and not file.exists():
        raise CommandError(Code.USAGE, f"{file}: no such file")
    try:
        return Source(tuple(str(parse_address(addr)) for addr in addrs), file, folder)
    except ValueError as error:
        raise CommandError(Code.USAGE, str(error)) from error


def access_from(secret_file: Path | None, key_id: str | None, tls_ca: Path | None) -> Access:
    """Return how to reach machines, as the flags say it; raises `CommandError`."""
    context = None if tls_ca is None else _context(tls_ca)
    if secret_file is None:
        return Access(context)
    try:
        secret = read_bounded(secret_file, _MAX_SECRET).rstrip(b"\r\n")
    except OSError as error:
        raise CommandError(Code.USAGE, f"{secret_file}: {reason(error)}") from error
    except ValueError as error:
        raise CommandError(Code.USAGE, str(error)) from error
    if not secret:
        raise CommandError(Code.USAGE, f"{secret_file}: the secret is empty")
    return Access(context, secret if key_id is None else (key_id, secret))


def _context(tls_ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=tls_ca)
    except ssl.SSLError as error:
        raise CommandError(Code.USAGE, f"{tls_ca}: no certificates in PEM form") from error
    except OSError as error:
        raise CommandError(Code.USAGE, f"{tls_ca}: {reason(error)}") from error
