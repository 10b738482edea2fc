"""News of machines for those who watch: what came, went and moved, among those that match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import trio

if TYPE_CHECKING:
    import am_rpc

    from .filters import Filters


@dataclass(frozen=True, slots=True)
class Added:
    """A machine matches that did not before."""

    machine: am_rpc.NetworkMachine


@dataclass(frozen=True, slots=True)
class Removed:
    """A machine is gone, or does not match any longer."""

    peer_id: str
    index: int


@dataclass(frozen=True, slots=True)
class Changed:
    """A machine that matches moved."""

    machine: am_rpc.NetworkMachine


News: TypeAlias = Added | Removed | Changed


class Watcher:
    """One subscription. What is not taken in time is merged: of one machine the last news stay."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.matching: dict[tuple[bytes, int], None] = {}
        self._news: dict[tuple[bytes, int], News] = {}
        self._there = trio.Event()

    def put(self, key: tuple[bytes, int], news: News) -> None:
        """Note news; an addition stays one until it was taken."""
        before = self._news.get(key)
        if isinstance(news, Changed) and isinstance(before, Added):
            return
        self._news[key] = news
        self._there.set()

    def __aiter__(self) -> Watcher:
        return self

    async def __anext__(self) -> News:
        """Wait for the next news; always a checkpoint. Cancelling loses none."""
        while not self._news:
            self._there = trio.Event()
            await self._there.wait()
        await trio.lowlevel.checkpoint()
        return self._news.pop(next(iter(self._news)))
