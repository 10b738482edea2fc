"""The client's mutations that are not settled yet, as a pure data structure.

Each is kept as the bytes that stand for it, from the call until its outcome is known, so that a
repeat is the same message with the same id. Order of ids is order of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ._options import Limits
    from ._results import NetResult


class Entry:
    """One mutation. `result` is None for a one-way one, which no response settles.

    `created`, `sent_at` (when it was written last) and `due` (when to look at it again) are
    seconds.
    """

    __slots__ = (
        "args", "created", "data", "due", "method", "repeats", "result", "sent_at", "seq", "states",
        "written",
    )  # fmt: skip

    def __init__(
        self,
        seq: int,
        method: str,
        states: tuple[int, ...],
        args: Mapping[str, Any],
        data: bytes,
        result: NetResult | None,
        created: float,
        due: float = 0.0,
    ) -> None:
        self.seq = seq
        self.method = method
        self.states = states
        self.args = args
        self.data = data
        self.result = result
        self.created = created
        self.due = due
        # Handed to a connection at least once, whatever became of it.
        self.written = False
        self.sent_at = 0.0
        self.repeats = 0


class Outbox:
    """Unsettled mutations in order, bounded in number and bytes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[int, Entry] = {}
        self._fresh: list[Entry] = []
        self._one_way: dict[int, Entry] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def get(self, seq: int) -> Entry | None:
        """Return an unsettled mutation by id."""
        return self._entries.get(seq)

    @property
    def one_way(self) -> int:
        """Return how many one-way mutations are not acknowledged."""
        return len(self._one_way)

    @property
    def last(self) -> int:
        """Return the id of the newest entry, or 0."""
        return next(reversed(self._entries), 0)

    def has_room(self, size: int = 0) -> bool:
        """Tell whether one more of `size` bytes fits."""
        limits = self._limits
        return len(self._entries) < limits.calls and self._bytes + size <= limits.calls_bytes

    def push(self, entry: Entry) -> None:
        """Take a new mutation; it is the newest."""
        self._entries[entry.seq] = entry
        self._fresh.append(entry)
        if entry.result is None:
            self._one_way[entry.seq] = entry
        self._bytes += len(entry.data)

    def take_fresh(self) -> list[Entry]:
        """Return what waits to be written, oldest first; it counts as written now."""
        fresh, self._fresh = self._fresh, []
        return fresh

    @property
    def has_fresh(self) -> bool:
        """Tell whether something waits to be written."""
        return bool(self._fresh)

    def pop(self, seq: int) -> Entry | None:
        """Forget a mutation whose outcome is known, or that was given up."""
        entry = self._entries.pop(seq, None)
        if entry is not None:
            self._bytes -= len(entry.data)
            if entry.result is None:
                del self._one_way[seq]
        return entry

    def acknowledge(self, before: int) -> bool:
        """One-way mutations with smaller ids were executed; tell whether there were any."""
        if not self._one_way:
            return False
        for seq in tuple(self._one_way):
            if seq >= before:
                break
            self.pop(seq)
        return True

    def resume(self, last: int) -> None:
        """The server's session lives and has executed up to `last`: send the rest again."""
        self.acknowledge(last + 1)
        self._fresh = list(self._entries.values())

    def forget_written(self) -> list[Entry]:
        """The server's session is gone: return, and drop, what may have been executed."""
        lost = [entry for entry in self._entries.values() if entry.written]
        for entry in lost:
            self.pop(entry.seq)
        self._fresh = list(self._entries.values())
        return lost

    def clear(self) -> list[Entry]:
        """Return and drop everything."""
        entries = list(self._entries.values())
        self._entries.clear()
        self._fresh.clear()
        self._one_way.clear()
        self._bytes = 0
        return entries
