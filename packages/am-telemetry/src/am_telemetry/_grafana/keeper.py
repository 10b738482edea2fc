"""Keeps a dashboard in Grafana for each machine that the environment binds, and its submachines.

Machines come faster than anybody looks: a board is written once they have ceased to come for a
moment, by a thread of its own, since the hub's must not wait for a network.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .._env import LOGGER
from .._errors import GrafanaError
from .._hub import Consumer, MachineLink
from .api import FOLDER, LIMIT, Session
from .dashboard import ANY, grafana_dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

    import am_machine as am

QUIET = 0.5
"""Seconds without another machine before boards are written."""
PATIENCE = 5.0
"""Seconds after which they are written though machines still come."""
AGAIN = 60.0
"""Seconds before another attempt after one that failed."""
MOST_MACHINES = 50
"""Machines with rows of their own on a board; with more of them its reader chooses."""
MOST_BOARDS = 100
"""Boards that one process writes."""


@dataclass(slots=True)
class _Board:
    ids: set[str] = field(default_factory=set)
    is_due: bool = True


class Keeper(Consumer):
    """Hears of machines, and has their boards written to one Grafana.

    A board is named by the topmost machine that was bound. Rows of machines that are gone stay as
    long as the process does, for whoever wants to see what happened.
    """

    level = 0

    def __init__(self, url: str, token: str | None, source: str) -> None:
        self._session = Session(url, token)
        self._source = source
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._boards: dict[str, _Board] = {}
        self._first = self._latest = 0.0
        self._not_before = 0.0
        self._has_failed = False
        self._thread: threading.Thread | None = None

    def bound(self, link: MachineLink) -> None:
        """Note a machine."""
        above = list(_ancestors(link.machine))
        with self._lock:
            top = next((ident for ident in above if ident in self._boards), link.id)
            board = self._boards.get(top)
            if board is None:
                if len(self._boards) >= MOST_BOARDS:
                    LOGGER.debug("no dashboard for %s: there are %d", top, MOST_BOARDS)
                    return
                board = self._boards[top] = _Board()
            if link.id in board.ids or ANY in board.ids:
                return
            board.ids.add(link.id)
            if len(board.ids) > MOST_MACHINES:
                board.ids = {ANY}
            board.is_due = True
            self._latest = time.monotonic()
            self._first = self._first or self._latest

    def tick(self, at: float) -> None:
        """Begin to write if it is time."""
        if not self._first or at < self._not_before:
            return
        if at - self._latest >= QUIET or at - self._first >= PATIENCE:
            self._start()

    def flush(self, deadline: float) -> None:
        """Write what is due, as far as time allows; a Grafana that failed just now is not asked."""
        if self._first and time.monotonic() >= self._not_before:
            self._start()
        thread = self._thread
        if thread is not None:
            thread.join(max(0.0, deadline - time.monotonic()))

    def forked(self) -> None:
        """Leave what was due to the parent."""
        self._begin()

    def _start(self) -> None:
        if self._thread is not None and self._thread.is_alive():
            return
        with self._lock:
            due = {top: set(board.ids) for top, board in self._boards.items() if board.is_due}
            for top in due:
                self._boards[top].is_due = False
            self._first = 0.0
        # A daemon, as nothing can interrupt the resolving of a name; `flush` waits for it.
        self._thread = threading.Thread(
            target=self._write, args=(due,), name="am-telemetry-grafana", daemon=True
        )
        self._thread.start()

    def _write(self, due: dict[str, set[str]]) -> None:
        tops = sorted(due)
        for place, top in enumerate(tops):
            board = grafana_dashboard(due[top], top, self._source)
            try:
                self._session.upsert(board, FOLDER, time.monotonic() + LIMIT)
            except GrafanaError as exc:
                level = logging.DEBUG if self._has_failed else logging.WARNING
                self._has_failed = True
                LOGGER.log(level, "the dashboard of %s is not written now: %s", top, exc)
                self._put_back(tops[place:])
                return

    def _put_back(self, tops: list[str]) -> None:
        with self._lock:
            self._first = self._latest = time.monotonic()
            self._not_before = self._first + AGAIN
            for top in tops:
                self._boards[top].is_due = True


def _ancestors(machine: am.BaseMachine | None) -> Iterator[str]:
    parent = machine.parent if machine is not None else None
    while parent is not None:
        yield parent.id
        parent = parent.parent
