"""What telemetry itself raises: counted, logged once per kind, and after ten in a row given up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from .consumer import Consumer

LOGGER = logging.getLogger("am_telemetry")
MOST_IN_A_ROW = 10
# Kinds of errors that are remembered as told; beyond, they are only counted.
MOST_KINDS = 1000


class Guard:
    """Calls what must not fail, so that nothing of it gets out."""

    def __init__(self) -> None:
        self.errors = 0
        """What was caught so far."""
        # For each call of its own: what does nothing succeeds in between.
        self._in_a_row: dict[tuple[Consumer, str], int] = {}
        self._told: set[tuple[type, type]] = set()

    def call(self, consumer: Consumer, fn: Callable[..., object], *args: Any) -> bool:
        """Call `fn`; False once the consumer should be given up."""
        try:
            fn(*args)
        except Exception as exc:
            self.note(consumer, exc)
            key = (consumer, fn.__name__)
            count = self._in_a_row[key] = self._in_a_row.get(key, 0) + 1
            if count == MOST_IN_A_ROW:
                LOGGER.error(
                    "%s failed %d times in a row and listens no more",
                    type(consumer).__name__,
                    count,
                )
            return count < MOST_IN_A_ROW
        if self._in_a_row:
            self._in_a_row.pop((consumer, fn.__name__), None)
        return True

    def note(self, who: object, exc: BaseException) -> None:
        """Count an error that was caught elsewhere, and log it if it is the first of its kind."""
        self.errors += 1
        kind = (type(who), type(exc))
        if kind not in self._told and len(self._told) < MOST_KINDS:
            self._told.add(kind)
            LOGGER.error(
                "%s raised %s; more of this kind are only counted",
                type(who).__name__,
                type(exc).__name__,
                exc_info=exc,
            )

    def forget(self, consumer: Consumer) -> None:
        """The consumer is gone."""
        self._in_a_row = {key: n for key, n in self._in_a_row.items() if key[0] is not consumer}
