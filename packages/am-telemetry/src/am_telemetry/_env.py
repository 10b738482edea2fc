"""Environment variables as untrusted input: parsed strictly, told about once, else ignored."""

from __future__ import annotations

import logging
import os

LOGGER = logging.getLogger("am_telemetry")

INNER = "am:inner"
"""The tag of machines that packages make for themselves: these are only taken when named."""

_ON = frozenset(("1", "true", "yes", "on"))
_OFF = frozenset(("", "0", "false", "no", "off"))
# Characters of a bad value that a log line repeats.
_SHOWN = 40
# What was complained about already; a process may bind thousands of machines.
_told: set[tuple[str, str]] = set()


def is_on(name: str) -> bool:
    """Read a switch; unset, off and junk are all off."""
    value = os.environ.get(name, "").strip().lower()
    if value in _ON:
        return True
    if value not in _OFF:
        complain_once(name, value, "is neither on nor off")
    return False


def text(name: str) -> str | None:
    """Read a text; None if unset, empty or one of the words for off."""
    value = os.environ.get(name, "").strip()
    return None if value.lower() in _OFF else value


def number(name: str, default: int, *, least: int = 0, most: int = 2**31) -> int:
    """Read a whole number; the default if unset, junk or out of bounds."""
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    if value.isascii() and value.isdigit() and len(value) <= 10 and least <= int(value) <= most:
        return int(value)
    complain_once(name, value, f"is not a number from {least} to {most}")
    return default


def names(name: str) -> tuple[str, ...]:
    """Read a list separated by commas."""
    return tuple([part for one in os.environ.get(name, "").split(",") if (part := one.strip())])


def complain_once(name: str, value: str, fault: str) -> None:
    """Warn about a variable's value, the first time it is seen."""
    if (name, value) not in _told:
        _told.add((name, value))
        LOGGER.warning("%s=%r %s: ignored", name, value[:_SHOWN], fault)
