"""A session as it may be shown to others."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from .._core.places import Place
from .._core.session import Session
from .._store.store import Store
from .dump_reader import read_dump
from .dump_writer import write_dump
from .redact import Redaction

if TYPE_CHECKING:
    from am_telemetry import dbg


def redacted_session(session: Session, kinds: frozenset[str], process: dbg.Process) -> Session:
    """The same machines at the same place, without some kinds of content (`redact.KINDS`): they go
    through a dump in a private folder, so nothing of it is left in any part.

    `process` is the one that writes.
    """
    view = session.selected
    if view is None or not kinds:
        return session
    store = Store(max_clients=sys.maxsize)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "redacted.amdbg.gz")
        for _ in write_dump(session.store, path, process, change=Redaction(session.store, kinds)):
            pass
        for _ in read_dump(store, path):
            pass
    made = Session(store)
    made.log_level = session.log_level
    # Dumps keep machines in order, and number transitions from 1.
    position = list(session.store).index(view.client)
    client = list(store)[position]
    number = view.cursor - view.client.first + client.first
    made.go(Place(client.serial, number, view.step, view.state, view.group))
    return made
