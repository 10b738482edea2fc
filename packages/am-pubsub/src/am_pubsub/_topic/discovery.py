"""Addresses of what is to be found by topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from .filters import Filters
    from .topic import Topic


class TagAddresses:
    """The addresses in the tags of the machines that match, for whoever looks for them.

    A tag `addr:10.0.0.7:7000` of a machine is the address `10.0.0.7:7000` under the key `addr`. It
    is a hint: whoever connects there still has to prove who they are.
    """

    def __init__(self, topic: Topic, filters: Filters, key: str = "addr") -> None:
        self._topic = topic
        self._filters = filters
        self._key = key

    async def addresses(self) -> AsyncGenerator[frozenset[str], None]:
        """Yield the whole set, first at once, then after each change, for as long as it is
        asked; the set may be empty."""
        with self._topic.watch(self._filters) as news:
            last = self._now()
            yield last
            async for _ in news:
                found = self._now()
                if found != last:
                    last = found
                    yield found

    def _now(self) -> frozenset[str]:
        pairs = (tag.partition(":") for tags in self._topic.tags(self._filters) for tag in tags)
        return frozenset(value for key, _, value in pairs if key == self._key and value)
