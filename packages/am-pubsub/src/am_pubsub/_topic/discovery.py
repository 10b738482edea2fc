"""Addresses of what is to be found by topic."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .filters import Filters
    from .topic import Topic


class TagAddresses:
    """The addresses in the tags of the machines that match, as somebody who looks for them asks.

    A tag `addr:10.0.0.7:7000` of a machine is the address `10.0.0.7:7000` under the key `addr`. It
    is a hint: whoever connects there still has to prove who they are.
    """

    def __init__(self, topic: Topic, filters: Filters, key: str = "addr") -> None:
        self._topic = topic
        self._filters = filters
        self._key = key

    async def addresses(self) -> list[str]:
        """Return the addresses known now, each once, in the order of peers; never waits."""
        found: dict[str, None] = {}
        for tags in self._topic.tags(self._filters):
            for tag in tags:
                key, _, value = tag.partition(":")
                if key == self._key and value:
                    found[value] = None
        return [*found]
