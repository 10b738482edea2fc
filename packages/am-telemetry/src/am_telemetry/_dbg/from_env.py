"""The stream as the environment asks for it: one exporter per address, for the whole process."""

from __future__ import annotations

import os
import ssl
from threading import Lock
from typing import TYPE_CHECKING

from .._env import complain_once, is_on, number, text
from .._errors import AddressError
from .exporter import DEFAULT_BUFFER, DbgExporter

if TYPE_CHECKING:
    import am_machine as am

_exporters: dict[str, DbgExporter] = {}
_lock = Lock()


def export(machine: am.MachineApi | am.BaseMachine, addr: str) -> None:
    """Stream a machine to an address, by the other `AM_DBG_…` switches as they were when the
    address was first used. One that is no address is a warning."""
    exporter = exporter_of(addr.strip())
    if exporter is not None:
        exporter.bind(machine)


def exporter_of(addr: str) -> DbgExporter | None:
    """The exporter of an address; None if it is none."""
    if addr.lower() in ("1", "true", "yes", "on"):
        addr = "1"
    with _lock:
        found = _exporters.get(addr)
        if found is None:
            try:
                found = DbgExporter(
                    addr,
                    secret=os.environ.get("AM_DBG_SECRET") or None,
                    tls=_tls(),
                    detail=number("AM_DBG_DETAIL", 1, most=2),
                    buffer=number("AM_DBG_BUFFER", DEFAULT_BUFFER, least=1),
                    stacks=not is_on("AM_DBG_NO_TRACE"),
                    lossless=is_on("AM_DBG_LOSSLESS"),
                )
            except AddressError as exc:
                complain_once("AM_DBG_ADDR", addr, str(exc))
                return None
            _exporters[addr] = found
    return found


def _tls() -> ssl.SSLContext | None:
    path = text("AM_DBG_TLS_CA")
    if path is None:
        return None
    # A file that cannot be read must not mean that everything goes out in the clear.
    context = ssl.create_default_context()
    try:
        context = ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError) as exc:
        complain_once("AM_DBG_TLS_CA", path, f"cannot be loaded ({exc})")
    return context
