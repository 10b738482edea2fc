"""What the machines of this package log, by the environment.

``AM_NODE_LOG_SUPERVISOR``, ``AM_NODE_LOG_WORKER`` and ``AM_NODE_LOG_CLIENT`` are log levels from 0
to 5. A supervisor passes the workers' level on to its workers, wherever they run. A variable that
is no level is logged as an error, once, and ignored: nobody's pool stops for it.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Literal

import am_machine as am

_log = logging.getLogger("am_node")
_MACHINES = logging.getLogger("am_machine")
# The lowest level that lines of machines have.
_ALL_LINES = 5
_SHOWN = 40

Part = Literal["SUPERVISOR", "WORKER", "CLIENT"]
# What was complained about already: a program may make thousands of clients.
_told: set[tuple[str, str]] = set()


def log_level(part: Part) -> am.LogLevel:
    """The level for the machines of one part; `NOTHING` if unset or no level."""
    name = f"AM_NODE_LOG_{part}"
    value = os.environ.get(name, "").strip()
    if not value:
        return am.LogLevel.NOTHING
    if len(value) == 1 and value in "012345":
        return am.LogLevel(int(value))
    if (name, value) not in _told:
        _told.add((name, value))
        _log.error("%s=%r is not a log level from 0 to 5: ignored", name, value[:_SHOWN])
    return am.LogLevel.NOTHING


def show_machines(level: int) -> None:
    """Let lines of machines through to this process's stderr, if the level asks for any.

    For programs of this package; in a library's process that is the application's to decide.
    """
    if not level:
        return
    if not logging.getLogger().handlers:
        logging.basicConfig(stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
    _MACHINES.setLevel(_ALL_LINES)
