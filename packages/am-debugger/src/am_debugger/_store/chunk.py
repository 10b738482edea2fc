"""Up to 4096 transitions: what they called and changed, where they came from, the packed rest.

What is called and what changes repeats: a chunk keeps each such shape once, and a number of two
bytes a transition. The shapes go with their chunk, so a peer that never repeats itself fills no
table that outlives its transitions.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from .._errors import BadMessageError
from .idents import IdIndex
from .layout import HEALTH_STATES

if TYPE_CHECKING:
    from collections.abc import Sequence

# Pairs of (state index, ticks gained).
Pairs = tuple[tuple[int, int], ...]

# Bytes of a shape: its tuples, the entries in lists and, while the chunk grows, in a dict.
_SHAPE_BYTES = 260
_PAIR_BYTES = 72
_EMPTY_BYTES = 1400
# Ticks that one transition may add to one state.
MOST_GAINED = 1 << 40


class Called:
    """A list of called states."""

    __slots__ = ("is_health", "states")

    def __init__(self, states: tuple[int, ...], is_health: bool) -> None:
        self.states = states
        self.is_health = is_health


class Diff:
    """A change of clocks: the pairs, what they add up to, and which watched states they touch."""

    __slots__ = ("gained", "pairs", "watched")

    def __init__(self, pairs: Pairs, watched: tuple[tuple[int, int], ...]) -> None:
        self.pairs = pairs
        self.gained = sum([gained for _, gained in pairs])
        # (position in WATCHED, ticks gained)
        self.watched = watched


class Chunk:
    """Transitions `first` to `last` of a machine."""

    __slots__ = (
        "_called_of",
        "_diff_of",
        "_source_of",
        "by_id",
        "by_source",
        "called",
        "calls",
        "diff",
        "diffs",
        "ends",
        "first",
        "is_trimmed",
        "packed",
        "shape_bytes",
        "source",
        "sources",
    )  # fmt: skip

    def __init__(self, first: int) -> None:
        self.first = first
        self.calls: list[Called] = []
        self.diffs: list[Diff] = []
        # Machine ids of sources; the first stands for none.
        self.sources: list[str | None] = [None]
        self.called = array("H")
        self.diff = array("H")
        self.source = array("H")
        # Where the packed rest of each ends.
        self.ends = array("I")
        self.packed: bytearray | bytes = bytearray()
        self.shape_bytes = 0
        self.is_trimmed = False
        """Sealed, and without the details that go first when memory is short."""
        # Of its own ids, and of those of sources, once it is full.
        self.by_id: IdIndex | None = None
        self.by_source: IdIndex | None = None
        self._called_of: dict[Sequence[int], int] | None = {}
        self._diff_of: dict[Sequence[int], int] | None = {}
        self._source_of: dict[str | None, int] | None = {None: 0}

    def __len__(self) -> int:
        return len(self.ends)

    @property
    def last(self) -> int:
        """Number of its last transition; one before `first`, if it has none."""
        return self.first + len(self.ends) - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        own = _EMPTY_BYTES + 10 * len(self.ends) + len(self.packed) + self.shape_bytes
        return own + sum([index.nbytes for index in (self.by_id, self.by_source) if index])

    @property
    def is_sealed(self) -> bool:
        """Whether no transition will be added."""
        return self.by_id is not None

    def called_shape(self, called: Sequence[int], names: Sequence[str]) -> int:
        """The number of a list of called states.

        :raises BadMessageError: if an index is none of a state.
        """
        assert self._called_of is not None
        key = tuple(called)
        found = self._called_of.get(key)
        if found is None:
            size = len(names)
            if key and not 0 <= min(key) <= max(key) < size:
                raise BadMessageError(f"called states {key!r:.100} of {size}")
            health = bool(key) and all([names[i] in HEALTH_STATES for i in key])
            found = self._called_of[key] = len(self.calls)
            self.calls.append(Called(key, health))
            self.shape_bytes += _SHAPE_BYTES + 8 * len(key)
        return found

    def diff_shape(self, flat: Sequence[int], size: int, watched: Sequence[int]) -> int:
        """The number of a change of clocks, given as sent. `watched` are the indexes of WATCHED.

        :raises BadMessageError: if it is none of `size` clocks.
        """
        assert self._diff_of is not None
        key = tuple(flat)
        found = self._diff_of.get(key)
        if found is None:
            told = tuple(zip(key[::2], key[1::2], strict=False))
            if len(key) % 2 or not all([_fits(pair, size) for pair in told]):
                raise BadMessageError(f"a change {key!r:.100} of {size} clocks")
            # A state comes twice if a failed handler took back what it had gained.
            gains: dict[int, int] = {}
            for i, gained in told:
                gains[i] = gains.get(i, 0) + gained
            pairs = tuple([pair for pair in gains.items() if pair[1]])
            touched = [(watched.index(i), gained) for i, gained in pairs if i in watched]
            found = self._diff_of[key] = len(self.diffs)
            self.diffs.append(Diff(pairs, tuple(touched)))
            self.shape_bytes += _SHAPE_BYTES + _PAIR_BYTES * len(pairs)
        return found

    def source_number(self, machine_id: str) -> int:
        """The number of a source's machine."""
        assert self._source_of is not None
        found = self._source_of.get(machine_id)
        if found is None:
            found = self._source_of[machine_id] = len(self.sources)
            self.sources.append(machine_id)
            self.shape_bytes += _SHAPE_BYTES + 4 * len(machine_id)
        return found

    def forget_lookup(self) -> None:
        """The schema changed: what follows is looked at anew."""
        self._called_of, self._diff_of = {}, {}

    def seal(self, ids: bytes | bytearray, source_ids: bytes | bytearray) -> None:
        """No transition will be added; these are its ids."""
        self.by_id, self.by_source = IdIndex(ids), IdIndex(source_ids)
        self.packed = bytes(self.packed)
        self._called_of = self._diff_of = self._source_of = None

    def rest(self, number: int) -> bytes:
        """The packed rest of a transition; empty if there is none."""
        k = number - self.first
        return bytes(self.packed[self.ends[k - 1] if k else 0 : self.ends[k]])

    def replace_rests(self, rests: Sequence[bytes]) -> None:
        """Put others in the place of all packed rests."""
        was_sealed = isinstance(self.packed, bytes)
        self.packed = bytearray(b"".join(rests))
        end, ends = 0, array("I")
        for rest in rests:
            end += len(rest)
            ends.append(end)
        self.ends = ends
        if was_sealed:
            self.packed = bytes(self.packed)


def _fits(pair: tuple[int, int], size: int) -> bool:
    i, gained = pair
    return 0 <= i < size and 0 <= gained < MOST_GAINED
