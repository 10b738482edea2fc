"""Waits for keywords of one state, found by the values that they want."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .waits import Entry


class ArgsWaits:
    """Those that wait for one state to be entered with certain keywords.

    Each is found by one keyword that it wants and that keyword's value, so that entering the state
    looks only at those that may be met. Values that cannot be hashed are compared one by one.
    """

    __slots__ = ("_by_value", "_places", "_unhashed")

    def __init__(self) -> None:
        # keyword -> wanted value -> entries
        self._by_value: dict[str, dict[Any, dict[Entry, None]]] = {}
        # Those that want no keyword, or values without a hash.
        self._unhashed: dict[Entry, None] = {}
        # Where each entry is; the order is that of creation.
        self._places: dict[Entry, tuple[str, Any] | None] = {}

    def add(self, entry: Entry) -> None:
        """Subscribe an entry; its condition is a mapping of keywords to values."""
        for key, value in entry.condition.items():
            try:
                bucket = self._by_value.setdefault(key, {}).setdefault(value, {})
            except Exception:  # no hash, or one that raises: compared when the state is entered
                if not self._by_value.get(key, True):
                    del self._by_value[key]
                continue
            bucket[entry] = None
            self._places[entry] = (key, value)
            return
        self._unhashed[entry] = None
        self._places[entry] = None

    def drop(self, entry: Entry) -> None:
        """Take an entry out."""
        place = self._places.pop(entry, None)
        if place is None:
            self._unhashed.pop(entry, None)
            return
        key, value = place
        values = self._by_value.get(key)
        bucket = values.get(value) if values is not None else None
        if values is None or bucket is None:
            return
        bucket.pop(entry, None)
        if not bucket:
            del values[value]
            if not values:
                del self._by_value[key]

    def candidates(self, args: Mapping[str, Any]) -> list[Entry]:
        """Those that may be met by these keywords, in order of creation."""
        found = list(self._unhashed)
        for key, values in self._by_value.items():
            if key not in args:
                continue
            try:
                found += values.get(args[key], ())
            except Exception:  # no hash: it may equal any of them
                for bucket in values.values():
                    found += bucket
        if len(found) > 1:
            found.sort(key=lambda entry: entry.number)
        return found

    def __len__(self) -> int:
        return len(self._places)

    @property
    def is_empty(self) -> bool:
        """Whether nobody waits."""
        return not self._places

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._places))
