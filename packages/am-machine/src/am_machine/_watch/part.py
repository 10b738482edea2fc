"""What was read of a journal: entries that are made when they are looked at."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from .._causality import new_id_bytes
from .._schema.plans import Plan
from .entries import JournalEntry
from .replay import FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .replay import Place


class JournalColumns(NamedTuple):
    """Entries of which all were accepted as planned, and that have neither source nor args nor
    details: what they differ in, field by field."""

    forms: Sequence[object]
    """`JournalEntry.form` of each; none is None."""
    times: Sequence[int]
    """`at` of each."""
    queue_ticks: Sequence[int]
    ids: bytes
    """The ids, eight bytes each."""
    handlers: tuple[str, ...]
    """The handler names bound meanwhile."""
    before: tuple[int, ...]
    """Ticks of all states before the first …"""
    after: tuple[int, ...]
    """… and after the last."""


JournalColumns.__module__ = "am_machine"  # as users and pickles know it


class JournalPart(Sequence[JournalEntry]):
    """Entries in a row, oldest first. They are made when one is looked at: to make an entry costs
    more than to note it, and who can do with `columns` saves it. For one thread at a time."""

    __slots__ = ("_entries", "_make", "columns")
    __module__ = "am_machine"  # as users and pickles know it

    def __init__(
        self,
        entries: list[JournalEntry] | None,
        columns: JournalColumns | None = None,
        make: Callable[[], list[JournalEntry]] | None = None,
    ) -> None:
        self._entries = entries
        self._make = make
        self.columns = columns
        """What the entries differ in, where it is nothing else; None if they differ in more."""

    @property
    def until(self) -> int:
        """`at` of the last entry.

        :raises IndexError: if there is none.
        """
        return self.columns.times[-1] if self.columns is not None else self[-1].at

    def __len__(self) -> int:
        return len(self.columns.forms if self.columns is not None else self._made())

    def __iter__(self) -> Iterator[JournalEntry]:
        return iter(self._made())

    @overload
    def __getitem__(self, at: int) -> JournalEntry: ...
    @overload
    def __getitem__(self, at: slice) -> list[JournalEntry]: ...
    def __getitem__(self, at: int | slice) -> JournalEntry | list[JournalEntry]:
        return self._made()[at]

    def _made(self) -> list[JournalEntry]:
        if self._entries is None:
            assert self._make is not None
            self._entries = self._make()
        return self._entries


def part_of(
    start: Place, taken: list[Any], *, clocks: bool, at_once: bool
) -> tuple[JournalPart, Place]:
    """What a journal's items tell from a place on, and the place that they lead to; `at_once`:
    the entries are made in any case. `start` may not be changed any more."""
    place, count = start.copy(), len(taken) // FIELDS
    ids, plans = new_id_bytes(count), taken[::FIELDS]
    # Whatever is more than a plan is told by a note, or is an item of another type.
    is_plain = taken[3::FIELDS].count(None) == count and set(map(type, plans)) == {Plan}
    if at_once or not is_plain:
        return JournalPart(place.replay(taken, ids, clocks=clocks)), place
    place.skip(plans)
    times = [at // 1000 for at in taken[1::FIELDS]]
    before, after = tuple(start.ticks), tuple(place.ticks)
    columns = JournalColumns(plans, times, taken[2::FIELDS], ids, place.handlers, before, after)
    make = partial(_entries_from, start, taken, ids, clocks)
    return JournalPart(None, columns, make), place


def _entries_from(start: Place, taken: list[Any], ids: bytes, clocks: bool) -> list[JournalEntry]:
    return start.copy().replay(taken, ids, clocks=clocks)
