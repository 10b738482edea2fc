"""Environment variables as untrusted input: parsed strictly, complained about once, else
ignored."""

from __future__ import annotations

import logging
import os

LOGGER = logging.getLogger("am_helpers")

_ON = frozenset(("1", "true", "yes", "on"))
_OFF = frozenset(("", "0", "false", "no", "off"))
_SHOWN = 40  # characters of a bad value that a log line repeats

# What was complained about already; a process may set up thousands of machines.
_told: set[tuple[str, str]] = set()


def is_on(name: str) -> bool:
    """Read a switch of the environment: on is ``1 true yes on``; unset, off and junk are all off.

    Junk is a warning in the log, once.
    """
    value = os.environ.get(name, "").strip().lower()
    if value in _ON:
        return True
    if value not in _OFF:
        complain_once(name, value, "is neither on nor off")
    return False


def log_level() -> int | None:
    """Read AM_LOG, 0 to 5; None if unset or junk."""
    value = os.environ.get("AM_LOG", "").strip()
    if not value:
        return None
    if len(value) == 1 and value in "012345":
        return int(value)
    complain_once("AM_LOG", value, "is not a level from 0 to 5")
    return None


def debugger_address() -> str | None:
    """Read AM_DBG_ADDR as it is, ``1`` and ``unix:PATH`` included; None if off."""
    value = os.environ.get("AM_DBG_ADDR", "")
    return None if value.strip().lower() in _OFF else value


def service() -> str | None:
    """Read AM_SERVICE, the name under which this process is watched; None if unset."""
    return os.environ.get("AM_SERVICE", "").strip() or None


def complain_once(name: str, value: str, fault: str) -> None:
    """Warn about a variable's value, the first time it is seen."""
    if (name, value) not in _told:
        _told.add((name, value))
        LOGGER.warning("%s=%r %s: ignored", name, value[:_SHOWN], fault)
