"""Runs of quiet transitions, each shown as one.

A transition is quiet if it calls only states with the tag `dbg:quiet`, and no handler raised, none
were lost before it, nothing was told after it, and nobody put a note on it. Of a run of them only
the last is shown, since after it things are as they are after all; it *stands for* the others.
"""

from __future__ import annotations

from itertools import compress
from typing import TYPE_CHECKING, NamedTuple

from .._store.layout import Kept

if TYPE_CHECKING:
    from array import array
    from collections.abc import Iterable, Iterator, Sequence

    from .._store.client import Client

QUIET = "dbg:quiet"
"""The tag of states whose transitions are folded."""
_LOUD = int(Kept.ERROR | Kept.GAP)
_IS_CALM = bytes([not kept & _LOUD for kept in range(256)])
# So many transitions back it is looked for what a run calls, and so many names are told.
_LOOKED_AT, _MOST_NAMES = 64, 3


class Fold(NamedTuple):
    """What one transition stands for."""

    size: int
    names: str
    """States that were called last."""

    def __str__(self) -> str:
        return f"{self.size} quiet: {self.names}"


def quiet(client: Client, first: int, last: int) -> bytes | bytearray:
    """A byte for each transition of a range: 1 where it is quiet."""
    columns = client.columns
    found = bytearray()
    number = first
    while number <= last:
        chunk = columns.chunk_of(number)
        end = min(chunk.last, last)
        states = _quiet_states(client, chunk.last)
        wanted = [bool(call.states) and states.issuperset(call.states) for call in chunk.calls]
        if any(wanted):
            called = chunk.called[number - chunk.first : end - chunk.first + 1]
            found += bytes(map(bytes(wanted).__getitem__, called))
        else:
            found += bytes(end - number + 1)
        number = end + 1
    if 1 in found:
        k = first - client.first
        calm = columns.kept[k : k + len(found)].translate(_IS_CALM)
        found = bytearray(map(int.__and__, found, calm))
        log = client.outer_log
        told = [log[k].after for k in log.between(first, last)]
        for number in (*client.notes, *told):
            if first <= number <= last:
                found[number - first] = 0
    return found


def _quiet_states(client: Client, number: int) -> frozenset[int]:
    version = client.version_at(number)
    schema = version.schema.schema
    return frozenset([i for i, name in enumerate(version.names) if QUIET in schema[name].tags])


def has_quiet(client: Client) -> bool:
    """Whether any state of a machine ever was one of quiet transitions."""
    return any(
        [QUIET in state.tags for version in client.versions for state in version.schema.sent.states]
    )


def quiet_runs(client: Client, numbers: Iterable[int]) -> Iterator[list[int]]:
    """Transitions in order, quiet ones that follow each other together."""
    is_folding = has_quiet(client)
    run: list[int] = []
    for number in numbers:
        is_quiet = is_folding and bool(quiet(client, number, number)[0])
        if run and not is_quiet:
            yield run
            run = []
        if is_quiet:
            run.append(number)
        else:
            yield [number]
    if run:
        yield run


class Folds:
    """The runs of one machine, as its visible transitions are found.

    `opened` are those that the user opened, as (first, last): nothing in them is folded.
    """

    def __init__(self, client: Client, opened: list[tuple[int, int]]) -> None:
        self.client = client
        self.opened = opened
        self.pinned = 0
        """A transition that stands for no later ones: the one under the cursor."""
        # How many a transition stands for, itself among them.
        self.counts: dict[int, int] = {}
        # Whether the latest visible one is quiet, and may stand for more.
        self._joins = False
        # The latest version that was looked at, and whether it or one before has quiet states.
        self._known: tuple[object, bool] = (None, False)

    def restart(self) -> None:
        """All is looked at anew."""
        self.counts.clear()
        self._joins = False

    def extend(self, numbers: array[int], first: int, last: int, shown: bytes | bytearray) -> None:
        """Go on with the transitions of a range that are shown."""
        versions = self.client.versions
        if self._known[0] is not versions[-1]:
            self._known = (versions[-1], has_quiet(self.client))
        if not self._known[1]:
            numbers.extend(compress(range(first, last + 1), shown))
            return
        marks = bytes(compress(quiet(self.client, first, last), shown))
        found = list(compress(range(first, last + 1), shown))
        at = 0
        while at < len(found):
            begin = marks.find(1, at)
            begin = len(found) if begin < 0 else begin
            if begin > at:
                numbers.extend(found[at:begin])
                self._joins = False
            end = marks.find(0, begin)
            end = len(found) if end < 0 else end
            if end > begin:
                self._fold(numbers, found[begin:end])
            at = end

    def _fold(self, numbers: array[int], run: Sequence[int]) -> None:
        """A run of quiet ones goes on, or begins."""
        is_plain = not self.opened and not run[0] <= self.pinned < run[-1]
        for part in [run] if is_plain else [[number] for number in run]:
            if any([first <= part[0] <= last for first, last in self.opened]):
                numbers.extend(part)
                self._joins = False
                continue
            count = len(part)
            if self._joins and numbers[-1] != self.pinned and not self._is_told(numbers[-1]):
                count += self.counts.pop(numbers[-1], 1)
                numbers[-1] = part[-1]
            else:
                numbers.append(part[-1])
            if count > 1:
                self.counts[part[-1]] = count
            self._joins = True

    def _is_told(self, number: int) -> bool:
        """Whether something was told after a transition, or a note put on it, since it came."""
        log = self.client.outer_log
        return number in self.client.notes or bool(len(log.between(number, number)))

    # ------------------------------------------------------------------ reading

    def fold(self, number: int) -> Fold | None:
        """What a visible transition stands for; None if only for itself."""
        count = self.counts.get(number)
        if count is None:
            return None
        client = self.client
        names: dict[str, None] = {}
        start = max(client.first, number - min(count, _LOOKED_AT) + 1)
        marks = quiet(client, start, number)
        for k in range(number, start - 1, -1):
            if marks[k - start]:
                known = client.version_at(k).names
                names.update(dict.fromkeys([known[i] for i in client.columns.called(k)]))
            if len(names) > _MOST_NAMES:
                break
        told = list(names)
        more = " …" if len(told) > _MOST_NAMES else ""
        return Fold(count, " ".join(told[:_MOST_NAMES]) + more)

    def members(
        self, numbers: array[int], position: int, shown: bytes | bytearray
    ) -> Sequence[int]:
        """What the visible transition at a position stands for, in order; `shown` says which are
        from the one before it on."""
        last = numbers[position]
        if last not in self.counts:
            return (last,)
        first = last - len(shown) + 1
        marks = quiet(self.client, first, last)
        found = [
            first + k
            for k, (is_shown, is_quiet) in enumerate(zip(shown, marks, strict=True))
            if is_shown and is_quiet
        ]
        # Something may have been told after the last one since it came.
        return found if found[-1:] == [last] else [*found, last]

    def dropped(self, numbers: array[int], shown: bytes | bytearray) -> None:
        """Older transitions are gone, perhaps some of those that the first one stands for;
        `shown` says which there are from the oldest kept up to that."""
        for number in [number for number in self.counts if number < self.client.first]:
            del self.counts[number]
        if numbers and numbers[0] in self.counts:
            left = len(self.members(numbers, 0, shown))
            if left > 1:
                self.counts[numbers[0]] = left
            else:
                del self.counts[numbers[0]]

    def open(self, first: int, last: int) -> None:
        """A run is opened; it has to be put in the place of what stood for it."""
        self.counts.pop(last, None)
        self.opened.append((first, last))
        self._joins = False

    def close(self, number: int) -> bool:
        """Close what was opened around a transition; False if nothing was. All has to be looked at
        anew then."""
        kept = [(first, last) for first, last in self.opened if not first <= number <= last]
        has_closed = len(kept) < len(self.opened)
        self.opened[:] = kept
        return has_closed
