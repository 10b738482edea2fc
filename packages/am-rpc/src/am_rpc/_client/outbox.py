"""The client's mutations that are not settled yet, as a pure data structure.

Each is kept as the bytes that stand for it, from the call until its outcome is known, so that a
repeat is the same message with the same id. Order of ids is order of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._options import Limits
    from .._results import NetResult
    from .._wire.args_chunks import LargeArgs


class Entry:
    """One mutation. `result` is None for a one-way one, which no response settles.

    `created` and `due` (when to look at it again) are seconds, `heard` is how many bytes had come
    from the server when it was written last. `is_out` tells whether the connection of now has it,
    `is_asked` whether the server was asked on it for a receipt, `blame` how far it is held to be
    the reason why connections ended. `large` are args that go ahead of `data`; `is_partial` tells
    that the connection does not have all of it yet.
    """

    __slots__ = (
        "args",
        "blame",
        "created",
        "data",
        "due",
        "heard",
        "is_asked",
        "is_out",
        "is_partial",
        "large",
        "method",
        "repeats",
        "result",
        "seq",
        "states",
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
        large: LargeArgs | None = None,
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
        self.is_out = False
        self.is_asked = False
        self.is_partial = False
        self.large = large
        self.blame = 0
        self.heard = 0
        self.repeats = 0


# How far the end of a connection is held against a mutation that was alone on it. A server that
# says that it cannot take what it read is believed at the second time. One that said nothing may
# as well have been cut off, which on a bad line happens to the innocent, too.
SAID: Final = 5
SILENT: Final = 1
_MOST_BLAME: Final = 10


class Outbox:
    """Unsettled mutations in order, bounded in number and bytes.

    A server executes them in order and says how far it has come, so if it ends the connection the
    first one behind that may be why. That one is then sent alone, the others wait until it passed.
    So they do behind one with large args until that is settled: a server may have no room for it
    and be asked again, and what comes later must not overtake it.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[int, Entry] = {}
        self._fresh: list[Entry] = []
        self._one_way: dict[int, Entry] = {}
        self._bytes = 0
        # How many a server keeps the outcomes of: no more wait for answers at once.
        self.window = limits.outcomes
        self._unanswered = 0
        # The one that is sent alone, and whether the others wait for it by now.
        self._suspect: Entry | None = None
        self.is_holding = False
        # The one with large args that was handed to the connection and is not settled.
        self._large: Entry | None = None
        self._large_bytes = 0

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

    def has_room(self, size: int = 0, large: int = 0) -> bool:
        """Tell whether one more of `size` bytes fits, and so many of large args."""
        limits = self._limits
        return (
            len(self._entries) < limits.calls
            and self._bytes + size <= limits.calls_bytes
            and (not large or self._large_bytes + large <= limits.large_args)
        )

    def push(self, entry: Entry) -> None:
        """Take a new mutation; it is the newest."""
        self._entries[entry.seq] = entry
        self._fresh.append(entry)
        if entry.result is None:
            self._one_way[entry.seq] = entry
        self._bytes += len(entry.data)
        if entry.large is not None:
            self._large_bytes += entry.large.size

    def take_fresh(self) -> list[Entry]:
        """Return what waits to be written, oldest first; it counts as written now.

        One that is to be sent alone is the last of them (see `is_holding`, and `passed`), and so is
        one with large args: the connection has to be given its chunks first.
        """
        fresh, self._fresh = self._fresh, []
        if (
            self._suspect is not None
            or self._large_bytes
            or len(fresh) > self.window - self._unanswered
        ):
            most = self._how_many(fresh)
            fresh, self._fresh = fresh[:most], fresh[most:]
        for entry in fresh:
            entry.is_out = True
            # Chunks alone are nothing that a server could execute.
            entry.written = entry.written or entry.large is None
            self._unanswered += entry.result is not None
        return fresh

    def _how_many(self, fresh: list[Entry]) -> int:
        """Return how many of these may be written now."""
        room = self.window - self._unanswered
        for at, entry in enumerate(fresh):
            if entry.result is not None:
                if room <= 0:
                    return at
                room -= 1
            if entry is self._suspect:
                self.is_holding = True
            if entry.large is not None:
                entry.is_partial = True
                self._large = entry
            if entry is self._suspect or entry.large is not None:
                return at + 1
        return len(fresh)

    def take_back(self, entry: Entry) -> None:
        """Have one with large args written once more: nothing of it was kept."""
        if self._large is entry:
            self._large = None
            self._unanswered -= entry.is_out and entry.result is not None
            entry.is_out = False
            self._fresh.insert(0, entry)

    @property
    def has_fresh(self) -> bool:
        """Tell whether something may be written."""
        return (
            bool(self._fresh)
            and not self.is_holding
            and self._large is None
            and self._unanswered < self.window
        )

    def passed(self) -> None:
        """The server has read the one that was sent alone: the others follow."""
        self._suspect = None
        self.is_holding = False

    def pop(self, seq: int) -> Entry | None:
        """Forget a mutation whose outcome is known, or that was given up."""
        entry = self._entries.pop(seq, None)
        if entry is not None:
            self._bytes -= len(entry.data)
            if entry.large is not None:
                self._large_bytes -= entry.large.size
                if self._large is entry:
                    self._large = None
            if entry.result is None:
                del self._one_way[seq]
            elif entry.is_out:
                self._unanswered -= 1
        return entry

    def acknowledge(self, before: int) -> bool:
        """One-way mutations with smaller ids were executed; tell whether there were any.

        Those that still wait to be written are meant to come later, whatever their ids.
        """
        if not self._one_way:
            return False
        executed = []
        for seq, entry in self._one_way.items():
            if seq >= before or not entry.is_out or entry.is_partial:
                break
            executed.append(seq)
        for seq in executed:
            self.pop(seq)
        return True

    def resume(self, last: int, blame: int = 0) -> Entry | None:
        """Send again what is unsettled: the server's session lives and has executed up to `last`.

        `blame` tells how the connection before ended: `SAID`, `SILENT`, or 0 if no mutation can be
        why. Return, and drop, one to which too much of it has come.
        """
        for seq in tuple(self._one_way):
            if seq <= last:
                self.pop(seq)
        suspects = [e for e in self._entries.values() if e.is_out and e.seq > last]
        given_up = None
        if suspects and blame:
            suspect = suspects[0]
            if len(suspects) == 1:
                suspect.blame += blame
            if suspect.blame >= _MOST_BLAME:
                given_up = self.pop(suspect.seq)
        self._begin_anew()
        if suspects and given_up is None and (blame or suspects[0].blame):
            self._suspect = suspects[0]
        return given_up

    def _begin_anew(self) -> None:
        """A new connection has nothing yet; all is to be written, none alone."""
        self.passed()
        self._fresh = list(self._entries.values())
        self._unanswered = 0
        self._large = None
        for entry in self._fresh:
            entry.is_out = entry.is_asked = entry.is_partial = False

    def forget_written(self) -> list[Entry]:
        """The server's session is gone: return, and drop, what may have been executed."""
        lost = [entry for entry in self._entries.values() if entry.written]
        for entry in lost:
            self.pop(entry.seq)
        self._begin_anew()
        return lost

    def clear(self) -> list[Entry]:
        """Return and drop everything."""
        entries = list(self._entries.values())
        self._entries.clear()
        self._fresh.clear()
        self._one_way.clear()
        self._bytes = self._large_bytes = self._unanswered = 0
        self._large = None
        self.passed()
        return entries
