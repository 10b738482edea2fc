"""What commands that work on dumps have in common: loading one, and what their exit codes say."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from am_telemetry import dbg

from ..__about__ import __version__
from .._core.session import Session
from .._derive.url import parse_url
from .._errors import DebuggerError, DumpError, UrlError
from .._files.dump_reader import read_dump
from .._files.inspect import inert
from .._files.redact import KINDS
from .._store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core.places import Place

OK, FAILED, USAGE, BAD_DUMP = 0, 1, 2, 4


class UsageFault(Exception):
    """What was asked for cannot be; the text says why."""


def load(path: str) -> Store:
    """The machines of a dump; warnings go to stderr.

    :raises DumpError: if it is none, or cannot be read.
    """
    store = Store(max_clients=sys.maxsize)
    try:
        *_, reading = read_dump(store, Path(path))
    except OSError as exc:
        raise DumpError(path, exc.strerror or str(exc)) from exc
    for warning in reading.warnings:
        print(f"am-dbg: {inert(warning)}", file=sys.stderr)
    return store


def answered(command: Callable[[], int]) -> int:
    """Run a command; what it raises is told in a line and becomes an exit code: 2 usage, 4 bad
    dump, 1 anything else that could not be done."""
    try:
        return command()
    except UsageFault as exc:
        return told(exc, USAGE)
    except DumpError as exc:
        return told(exc, BAD_DUMP)
    except (DebuggerError, OSError) as exc:
        return told(exc, FAILED)


def told(exc: Exception, code: int) -> int:
    """Tell what went wrong, and return the code."""
    print(f"am-dbg: {inert(str(exc))}", file=sys.stderr)
    return code


def own_process() -> dbg.Process:
    """This process, as the writer of a dump: which host it was is nobody's business."""
    now = time.time_ns() // 1000
    lib = f"am-debugger {__version__}"
    return dbg.Process(secrets.token_hex(8), os.getpid(), "", "am-dbg", lib, now)


def session_at(path: str, url: str) -> Session:
    """A dump, looked at from an address.

    :raises UsageFault: if the address is none, or not in the dump.
    """
    session = Session(load(path))
    session.go(place_of(session, url))
    return session


def place_of(session: Session, url: str) -> Place:
    """The place of an address; of one that names no moment, the machine's last.

    :raises UsageFault: if it is none, or not in the dump.
    """
    try:
        found = parse_url(url)
    except UrlError as exc:
        raise UsageFault(str(exc)) from exc
    place = session.find(found)
    client = None if place is None else session.store.by_serial(place.serial)
    if place is None or client is None:
        raise UsageFault(f"{url} is not in the dump")
    return place if found.names_moment else place._replace(number=client.last)


def redacted_kinds(text: str | None) -> frozenset[str]:
    """The kinds that `--redact` names.

    :raises UsageFault: if one is none of them.
    """
    kinds = frozenset(filter(None, (text or "").split(",")))
    if not kinds <= set(KINDS):
        raise UsageFault(f"--redact takes some of {','.join(KINDS)}")
    return kinds
