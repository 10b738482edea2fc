"""Connections of peers that are not known yet."""

from __future__ import annotations

import trio


class Strangers:
    """Who shakes hands right now; when there are too many, the oldest makes room.

    So those who never say a word keep nobody out who does.

    Args:
        most: how many there may be at once.
    """

    def __init__(self, most: int) -> None:
        self._most = max(1, most)
        self._scopes: dict[trio.CancelScope, None] = {}
        # How many were sent away to make room.
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._scopes)

    def enter(self) -> trio.CancelScope:
        """Return the scope to shake hands in, which is cancelled when its place is needed."""
        while len(self._scopes) >= self._most:
            oldest = next(iter(self._scopes))
            del self._scopes[oldest]
            oldest.cancel()
            self.evicted += 1
        scope = trio.CancelScope()
        self._scopes[scope] = None
        return scope

    def leave(self, scope: trio.CancelScope) -> None:
        """The peer is known, or gone; leaving twice is harmless."""
        self._scopes.pop(scope, None)
