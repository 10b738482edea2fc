"""Options that several commands share, and what is made of them."""

from __future__ import annotations

import json
import logging
import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from .._client.discovery import FileDir
from .._entry import load_entry_point
from .._errors import EntryPointError
from .._log import log_level, show_machines
from .._tls import Tls
from .._worker.worker import Worker

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

_MAX_SECRET = 4096
ENTRY = "the worker class: module:Class or path/to/file.py:Class"


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes."""
    parser.add_argument("--secret-file", help="file with the secret shared by both sides")
    parser.add_argument("--log", default="WARNING", help="level of the log on stderr")
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        help="folder to import from, after all others; repeatable; default: the current one",
    )


def add_client(parser: argparse.ArgumentParser) -> None:
    """Add how a client reaches its supervisor."""
    parser.add_argument(
        "--supers",
        help="addresses of supervisors, separated by commas; default: this user's own, here",
    )
    parser.add_argument(
        "--supers-dir",
        metavar="FOLDER",
        help="folder in which supervisors write their addresses, as --addr-file tells them",
    )
    parser.add_argument("--key-id", help="id of the secret, if the supervisor knows several")
    parser.add_argument("--tls-ca", help="PEM file with the certificates to trust")


def supers(options: argparse.Namespace) -> list[str] | FileDir | None:
    """Where supervisors are to be found; None if nothing says so.

    :raises ValueError: for an empty address, or both ways to say it.
    :raises OSError: if there is no such folder.
    """
    if options.supers_dir is None:
        return _listed(options)
    if options.supers is not None:
        raise ValueError("--supers and --supers-dir are two ways to say one thing")
    if not os.path.isdir(options.supers_dir):
        raise FileNotFoundError(f"--supers-dir {options.supers_dir}: no such folder")
    return FileDir(options.supers_dir)


def addresses(options: argparse.Namespace) -> list[str] | None:
    """The addresses that are known right now; None if nothing says where.

    :raises ValueError: for an empty address, or both ways to say it.
    :raises OSError: if there is no such folder, or no address in it.
    """
    where = supers(options)
    if not isinstance(where, FileDir):
        return where
    found = sorted(where.read())
    if not found:
        raise FileNotFoundError(f"--supers-dir {options.supers_dir}: no supervisor is there")
    return found


def _listed(options: argparse.Namespace) -> list[str] | None:
    if options.supers is None:
        return None
    listed = [addr.strip() for addr in options.supers.split(",")]
    if not all(listed):
        raise ValueError(f"--supers {options.supers!r} has an empty address")
    return listed


def access(options: argparse.Namespace) -> dict[str, Any]:
    """The secret and the TLS context of a client."""
    secret: Any = read_secret(options.secret_file)
    if options.key_id is not None:
        if secret is None:
            raise ValueError("--key-id needs --secret-file")
        secret = (options.key_id, secret)
    context = ssl.create_default_context(cafile=options.tls_ca) if options.tls_ca else None
    return {"secret": secret, "ssl_context": context}


def read_secret(path: str | None) -> bytes | None:
    """The secret in a file.

    :raises ValueError: if there is none in it.
    :raises OSError: if it cannot be read.
    """
    if path is None:
        return None
    with Path(path).open("rb") as file:
        secret = file.read(_MAX_SECRET).strip()
    if not secret:
        raise ValueError(f"{path} holds no secret")
    return secret


def tls(options: argparse.Namespace) -> Tls | None:
    """The certificate of a supervisor."""
    if options.tls_cert is None:
        return None
    return Tls(options.tls_cert, options.tls_key)


def extend_path(folders: Sequence[str]) -> None:
    """Import from these folders, too, after all others: nothing there hides another module.

    Without any it is the current one, if that is still there. The console script would have its own
    folder in front instead, and ``python -m`` the current one.
    """
    try:
        here = os.getcwd()
    except OSError:
        here = ""
    if sys.path and sys.path[0] in ("", here):
        del sys.path[0]
    for folder in folders or ([here] if here else []):
        if not os.path.isdir(folder):
            raise ValueError(f"--path {folder}: no such folder")
        if os.path.abspath(folder) not in sys.path:
            sys.path.append(os.path.abspath(folder))


def load_worker(entry: str) -> type[Worker]:
    """Import the worker class.

    :raises EntryPointError: if there is none.
    """
    worker = load_entry_point(entry)
    if not issubclass(worker, Worker):
        raise EntryPointError(f"{entry} is not a subclass of am_node.Worker")
    return worker


def value(text: str) -> Any:
    """A value of the command line: JSON, or text."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def log_to_stderr(level: str, part: Literal["SUPERVISOR", "CLIENT"]) -> None:
    """Show the log.

    :raises ValueError: if there is no such level.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is not a log level")
    logging.raiseExceptions = False  # a log that nobody can read is no reason to fail
    logging.basicConfig(level=number, format="%(levelname)s %(name)s %(message)s")
    show_machines(log_level(part))


def positive(kind: Callable[[str], Any]) -> Callable[[str], Any]:
    """A type of argparse for numbers above 0."""

    def parse(text: str) -> Any:
        number = kind(text)
        if not number > 0:
            raise ValueError(text)
        return number

    parse.__name__ = f"{kind.__name__} above 0"
    return parse
