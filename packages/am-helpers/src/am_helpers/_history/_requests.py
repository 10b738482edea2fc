"""What a writer's thread is asked to do, and how it answers."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .._errors import HistoryError
    from ._ledger import Clock
    from ._member import Member

    Done: TypeAlias = Callable[[HistoryError | None], object]


@dataclass(slots=True)
class Asked:
    """All that was asked since the thread looked last."""

    joining: list[tuple[Member, Clock, Done]] = field(default_factory=list)
    syncing: list[tuple[tuple[tuple[Member, Clock], ...], Done]] = field(default_factory=list)
    leaving: list[tuple[Member, Clock, Done]] = field(default_factory=list)
    holding: list[Done] = field(default_factory=list)
    releasing: list[Done] = field(default_factory=list)

    def __bool__(self) -> bool:
        first = self.joining or self.syncing or self.leaving
        return bool(first or self.holding or self.releasing)

    def clocks(self) -> Iterator[tuple[Member, Clock]]:
        """The members that are to be written now, each with its clocks of then."""
        for clocks, _ in self.syncing:
            yield from clocks
        for member, clock, _ in self.leaving:
            yield member, clock

    def all_done(self) -> list[Done]:
        """How to answer everybody."""
        done = [done for _, _, done in (*self.joining, *self.leaving)]
        return [*done, *(done for _, done in self.syncing), *self.holding, *self.releasing]


def answer(done: Done, error: HistoryError | None) -> None:
    """Tell one who waits."""
    with suppress(Exception):  # whoever asked is gone
        done(error)
