"""Plain counters of one machine, as the hub's thread keeps them from journal entries. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import am_machine as am

from .._hub.moves import ERR, EXCEPTION, error_types, moves_of
from .instruments import (
    AUTO,
    ERROR_TYPE,
    ERRORS,
    MUTATION,
    RESULT,
    STATE,
    STATE_ACTIVE_TIME,
    STATES_ADDED,
    STATES_REMOVED,
    STATES_TOUCHED,
    TRANSITIONS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Attributes = tuple[tuple[str, str | bool], ...]
    """Attributes of a series beside the machine's id."""
    Point = tuple[str, Attributes, float]
    """(name of the instrument, attributes, value)"""
    Effect = tuple[int, int, int, int, bool]
    """Of an entry: the slot of its counter; states added, removed, touched; whether it activated an
    error state."""

OVERFLOW = "_overflow"
"""Stands for the values that there were too many of."""
MAX_ERROR_TYPES = 50
MAX_EFFECTS = 1000
_KINDS = ("add", "remove", "set")
_TRANSITION_ATTRIBUTES: tuple[Attributes, ...] = tuple([
    ((RESULT, result), (MUTATION, kind), (AUTO, is_auto))
    for result in ("canceled", "accepted")
    for kind in _KINDS
    for is_auto in (False, True)
])  # fmt: skip
_SLOT = {kind: 2 * i for i, kind in enumerate(_KINDS)}


class Counts:
    """What the entries of one machine add up to.

    Kept by one thread; any other may read it at any time.
    """

    __slots__ = (
        "_effects", "_is_behind", "_lost", "_times", "_transitions", "added", "errors", "removed",
        "touched",
    )  # fmt: skip

    def __init__(self, tracked: tuple[str, ...] = ()) -> None:
        self._transitions = [0] * len(_TRANSITION_ATTRIBUTES)
        self._effects: dict[object, Effect] = {}
        self._lost = 0
        # Clocks moved that nothing was told of.
        self._is_behind = False
        self.added = 0
        self.removed = 0
        self.touched = 0
        self.errors: dict[str, int] = {}
        self._times = {name: ActiveTime() for name in tracked}

    def track(self, names: tuple[str, ...]) -> None:
        """Measure how long these states are active, too; they are inactive so far."""
        for name in names:
            if name not in self._times:
                self._times[name] = ActiveTime()

    def lost(self, count: int) -> None:
        """Transitions ended of which nothing else is known."""
        self._lost += count
        self._is_behind = True

    def begin(self, schema: am.Schema, ticks: tuple[int, ...], at: int) -> None:
        """Entries go on from these clocks, at a time in microseconds."""
        for name, active in self._times.items():
            i = schema.index.get(name)
            active.set(ticks[i] if i is not None and i < len(ticks) else 0, at)

    def add_all(self, schema: am.Schema, entries: Sequence[am.JournalEntry]) -> None:
        """Count entries."""
        columns = entries.columns if isinstance(entries, am.JournalPart) else None
        if columns is None or not self._add_columns(schema, entries, columns):
            for entry in entries:
                self.add(schema, entry)

    def _add_columns(
        self, schema: am.Schema, entries: Sequence[am.JournalEntry], columns: am.JournalColumns
    ) -> bool:
        """Count entries by their forms; False if that is not enough, so that none was counted."""
        if self._is_behind or self._times:
            return False
        effects = []
        for form, count in Counter(columns.forms).items():
            effect = self._effects.get(form)
            if effect is None:
                effect = self._effect_of(schema, entries[columns.forms.index(form)])
            if effect[-1]:
                return False
            effects.append((effect, count))
        for (slot, added, removed, touched, _), count in effects:
            self._transitions[slot] += count
            self.added += added * count
            self.removed += removed * count
            self.touched += touched * count
        return True

    def add(self, schema: am.Schema, entry: am.JournalEntry) -> None:
        """Count one entry."""
        effect = self._effects.get(entry.form) if entry.form is not None else None
        if effect is None:
            effect = self._effect_of(schema, entry)
        slot, added, removed, touched, moves_errors = effect
        self._transitions[slot] += 1
        self.added += added
        self.removed += removed
        self.touched += touched
        if self._is_behind:
            self._is_behind = False
            self.begin(schema, entry.before, entry.at)
        if moves_errors or ("err" in entry.args and (entry.accepted or added)):
            moves = moves_of(entry.before, entry.changes)
            for name in error_types(schema.names, entry.called, moves, entry.args):
                count_error(self.errors, name)
        if self._times:
            for i, _ in entry.changes:
                active = self._times.get(schema.names[i])
                if active is not None:
                    active.set(entry.after[i], entry.at)

    def _effect_of(self, schema: am.Schema, entry: am.JournalEntry) -> Effect:
        """What an entry adds to the counters; kept for others of its form."""
        moves = moves_of(entry.before, entry.changes)
        activated = (*moves.entered, *moves.again)
        names = [schema.names[i] for i in activated]
        found = (
            6 * entry.accepted + _SLOT[entry.kind] + entry.is_auto,
            len(activated),
            len(moves.left) + len(moves.blinked),
            len({*entry.called, *[i for i, _ in entry.changes]}),
            any([name.startswith(ERR) or name == EXCEPTION for name in names]),
        )
        if entry.form is not None:
            if len(self._effects) >= MAX_EFFECTS:
                self._effects.clear()
            self._effects[entry.form] = found
        return found

    def points(self) -> Iterator[Point]:
        """What has been counted; times of states aside."""
        for attributes, count in zip(_TRANSITION_ATTRIBUTES, self._transitions, strict=True):
            if count:
                yield TRANSITIONS.name, attributes, count
        if self._lost:
            yield TRANSITIONS.name, (), self._lost
        yield STATES_ADDED.name, (), self.added
        yield STATES_REMOVED.name, (), self.removed
        yield STATES_TOUCHED.name, (), self.touched
        for name, count in list(self.errors.items()):
            yield ERRORS.name, ((ERROR_TYPE, name),), count

    def times(self, ticks: dict[str, int], now: int) -> Iterator[Point]:
        """How long the tracked states have been active."""
        for name, active in list(self._times.items()):
            if name in ticks:
                yield STATE_ACTIVE_TIME.name, ((STATE, name),), active.total(ticks[name], now)


def count_error(errors: dict[str, int], name: str, count: int = 1) -> None:
    """Add to the errors of one name, of which there are at most `MAX_ERROR_TYPES`."""
    if name not in errors and len(errors) >= MAX_ERROR_TYPES:
        name = OVERFLOW
    errors[name] = errors.get(name, 0) + count


class ActiveTime:
    """How long a state has been active; what it tells never goes back."""

    __slots__ = ("_done", "_known", "_told")

    def __init__(self) -> None:
        # Microseconds of activities that are over; (tick, since when it is so).
        self._done = 0
        self._known = (0, 0)
        self._told = 0.0

    def set(self, tick: int, at: int) -> None:
        """The state's tick became this at a time in microseconds, by a clock that may be set
        back."""
        before, since = self._known
        if before & 1:
            self._done += max(0, at - since)
        self._known = (tick, at)

    def total(self, tick: int, now: int) -> float:
        """Seconds up to now, if the tick is still the one known; else up to the last known."""
        done, (known, since) = self._done, self._known
        if known == tick and known & 1:
            done += max(0, now - since)
        self._told = max(self._told, done / 1e6)
        return self._told


class ErrorTicks:
    """Errors as far as clocks tell: activations of error states, and those of `Exception` beyond
    them. What it counts never goes back."""

    __slots__ = ("_seen", "errors")

    def __init__(self, ticks: dict[str, int]) -> None:
        self._seen = dict(ticks)
        self.errors: dict[str, int] = {}

    def read(self, ticks: dict[str, int]) -> dict[str, int]:
        """Count what was activated since the last reading of these clocks."""
        grown = {name: activations(ticks[name], self._seen.get(name, 0)) for name in ticks}
        self._seen.update(ticks)
        named = 0
        for name, count in grown.items():
            if name != EXCEPTION and count > 0:
                named += count
                count_error(self.errors, name, count)
        rest = grown.get(EXCEPTION, 0) - named
        if rest > 0:
            count_error(self.errors, EXCEPTION, rest)
        return self.errors


def activations(tick: int, before: int = 0) -> int:
    """How often a state was activated between two ticks; entering it again counts."""
    return (tick + 1) // 2 - (before + 1) // 2
