"""What machines are called in metrics, and how many names there may be at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .counts import OVERFLOW

if TYPE_CHECKING:
    from collections.abc import Callable

LOGGER = logging.getLogger("am_telemetry")
MAX_LABELS = 1000
"""Distinct labels at a time; machines beyond them share `_overflow`."""
MAX_LENGTH = 256


class Labels:
    """The labels in use, each by a number of machines."""

    def __init__(self, label: Callable[[Any], str] | None, limit: int = MAX_LABELS) -> None:
        self._label = label
        self._limit = limit
        self._users: dict[str, int] = {}
        self._has_failed = False

    def clear(self) -> None:
        """No machine is there any more."""
        self._users.clear()

    def take(self, machine: Any) -> str:
        """Name a machine, which keeps the name for its life."""
        name = self._name(machine)
        used = self._users
        if name not in used and len(used) - (OVERFLOW in used) >= self._limit:
            name = OVERFLOW
        used[name] = used.get(name, 0) + 1
        return name

    def release(self, name: str) -> bool:
        """A machine of this name is gone; whether it was the last one."""
        left = self._users[name] - 1
        if left:
            self._users[name] = left
        else:
            del self._users[name]
        return not left

    def _name(self, machine: Any) -> str:
        if self._label is not None:
            try:
                return str(self._label(machine))[:MAX_LENGTH]
            except Exception:
                if not self._has_failed:
                    self._has_failed = True
                    LOGGER.warning("the label of machine %s failed", machine.id, exc_info=True)
        return str(machine.id)[:MAX_LENGTH]
