"""What a peer makes us keep, counted in encoded bytes, in one place.

Counts of messages or payloads say little about memory when the peer chooses their sizes. So what
is kept on behalf of a peer is taken from a budget: that of its session, which is part of that of
the store of sessions.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ._errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._stats import Stats

logger: Final = logging.getLogger("am_rpc")


class Budget:
    """So many bytes may be kept.

    Args:
        most: the bound in bytes; one value that is larger is let in if it is alone.
        limit: name of the option of `Limits` that sets the bound.
        owner: who is named in the log.
        whole: the budget that this one is part of.
        make_room: drops what is least needed of the whole until so many bytes are free.
        stats: counters to keep.
    """

    __slots__ = ("_is_told", "_limit", "_make_room", "_most", "_owner", "_stats", "_whole", "used")

    def __init__(
        self,
        most: int,
        limit: str,
        owner: str = "",
        whole: Budget | None = None,
        make_room: Callable[[int], None] | None = None,
        stats: Stats | None = None,
    ) -> None:
        self._stats = stats
        self._most = most
        self._limit = limit
        self._owner = owner
        self._whole = whole
        self._make_room = make_room
        self._is_told = False
        self.used = 0

    def take(self, size: int, what: str) -> None:
        """Count something that is kept from now on.

        :raises LimitExceeded: if there is no room, which is logged once; nothing was counted.
        """
        if self.used and self.used + size > self._most:
            self._refuse(what, self._limit, self._most)
        whole = self._whole
        if whole is not None and not whole.has_room(size):
            self._refuse(what, whole._limit, whole._most)
        self._add(size)

    def has_room(self, size: int) -> bool:
        """Tell whether so many bytes fit, after what is least needed was dropped."""
        if self.used + size > self._most and self._make_room is not None:
            self._make_room(self.used + size - self._most)
        return not self.used or self.used + size <= self._most

    def give(self, size: int) -> None:
        """Count something that is not kept any more."""
        self._add(-size)

    def _add(self, size: int) -> None:
        self.used += size
        if self._stats is not None:
            self._stats.kept_bytes = self.used
        if self._whole is not None:
            self._whole._add(size)

    def end(self) -> None:
        """Nothing is kept any more; what is taken and given later counts for nobody else."""
        if self._whole is not None:
            self._whole._add(-self.used)
            self._whole = None

    def _refuse(self, what: str, limit: str, most: int) -> None:
        stats = self._stats if self._whole is None else self._whole._stats
        if stats is not None:
            stats.limits_met += 1
        text = f"{what}: more than {most} bytes would be kept (Limits.{limit})"
        if not self._is_told:
            self._is_told = True
            logger.warning("%s met a limit: %s", self._owner, text)
        raise LimitExceeded(text)
