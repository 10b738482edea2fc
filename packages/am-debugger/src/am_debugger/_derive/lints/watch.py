"""What is noted of one machine while it is gone through, and what rules get to see."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .flips import Flips
from .measures import Measures
from .refusals import Refusals

if TYPE_CHECKING:
    from ..._store.client import Client
    from ..._store.store import Store
    from ..._store.versions import Version


class Watch:
    """The notes on a machine, up to transition `until`."""

    def __init__(self) -> None:
        self.until = 0
        self.flips = Flips()
        self.refusals = Refusals()
        self.measures = Measures()
        self.verdicts: dict[tuple[int, int], str | None] = {}
        """What was found of bursts of changes that are over: why the state flaps, if it does. By
        state and first transition."""

    def look(self, client: Client, limit: int) -> bool:
        """Go through at most so many transitions more; whether others are left."""
        first = max(self.until + 1, client.first)
        last = min(client.last, first + limit - 1)
        if first <= last:
            for notes in (self.flips, self.refusals, self.measures):
                notes.look(client, first, last)
            self.until = last
        return self.until < client.last


class Case(NamedTuple):
    """A machine as rules see it. `now` is the time up to which is known what it did, in
    microseconds since 1970."""

    store: Store
    client: Client
    watch: Watch
    now: int

    @property
    def version(self) -> Version:
        """Schema, handlers and pipes as they are now."""
        return self.client.version

    @property
    def active(self) -> list[str]:
        """States that are active now."""
        ticks = self.client.columns.ticks
        return [n for n, tick in zip(self.version.names, ticks, strict=True) if tick % 2]

    def time(self, number: int) -> int:
        """When a transition was; of one that is not kept, when the oldest one was."""
        columns = self.client.columns
        if not len(columns):
            return self.now
        return columns.times.searched(max(number - columns.first, 0))
