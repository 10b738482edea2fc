"""Configuration, records and queries, as values.

Times of day are aware datetimes in UTC with microseconds; inside they are integers of microseconds
since 1970, which never decrease from record to record, so that ids and times have the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from .._errors import QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryConfig:
    """What a history tracks and which transitions it records."""

    tracked: tuple[str, ...] | None = None
    """States whose ticks are kept; None for all of the machine, also those it grows."""
    called: tuple[str, ...] = ()
    """Record transitions that call one of these states …"""
    called_exclude: bool = False
    """… or, if set, do not."""
    changed: tuple[str, ...] = ()
    """Record transitions that move the tick of one of these states …"""
    changed_exclude: bool = False
    """… or, if set, do not. Of two lists the decision of this one is the last."""
    track_rejected: bool = False
    """Record canceled transitions too."""
    store_transitions: bool = False
    """Keep a `TransitionRecord` with each record."""
    store_schema: bool = False
    """Keep the schema with the machine's record, so that the machine can be restored by it."""
    max_records: int = 1000
    """How many records are kept; older ones are given up."""

    def __post_init__(self) -> None:
        if self.max_records < 1:
            raise ValueError("max_records must be at least 1")
        if self.tracked is not None and not self.listed:
            raise ValueError("a history needs a state to track")

    @property
    def listed(self) -> tuple[str, ...]:
        """States named for tracking: ``tracked`` and those of lists that let records in."""
        more = (*self.called * (not self.called_exclude),)
        more += self.changed * (not self.changed_exclude)
        return tuple(dict.fromkeys((*(self.tracked or ()), *more)))


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRecord:
    """A recorded transition beyond its clocks."""

    transition_id: str
    record_id: int
    source_tx: str
    source_machine: str
    is_auto: bool
    is_accepted: bool
    is_check: bool
    is_broken: bool
    queue_len: int
    queued_at: int
    """Queue tick when it was queued; 0 if it was put in front of the queue."""
    executed_at: int
    """Queue tick when it was executed; 0 if it was put in front of the queue."""
    called: tuple[int, ...]
    """Indexes of the machine's states, as it was then."""
    args: Mapping[str, str]
    """The args that the machine logs, as text."""
    called_states: tuple[str, ...] = ()
    """Names of the called states."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeRecord:
    """The clocks of the tracked states after one transition."""

    id: int
    kind: str
    time_sum: int
    tracked_sum: int
    diff_sum: int
    """Ticks of all states in this transition."""
    tracked_diff_sum: int
    record_diff_sum: int
    """Ticks of all states since the record before; 0 for the first."""
    at: datetime
    tracked_time: tuple[int, ...]
    """Tick of each tracked state, in the order of tracking."""
    tracked_diff: tuple[int, ...]
    machine_tick: int
    transition: TransitionRecord | None = None
    states: tuple[str, ...] = ()
    """The states that were tracked then, in the order of ``tracked_time``."""

    @property
    def clock(self) -> dict[str, int]:
        """Tick of each tracked state, by name."""
        return dict(zip(self.states, self.tracked_time, strict=True))

    @property
    def active(self) -> tuple[str, ...]:
        """The tracked states that were active."""
        return tuple(s for s, tick in zip(self.states, self.tracked_time, strict=True) if tick & 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRecord:
    """A machine as its history knows it; enough to restore its clocks."""

    machine_id: str
    state_names: tuple[str, ...]
    schema: Mapping[str, Any] | None
    first_tracking: datetime
    last_tracking: datetime
    last_sync: datetime
    time: tuple[int, ...]
    """Ticks of all states, tracked or not."""
    time_sum: int
    queue_tick: int
    machine_tick: int
    next_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One end of a range of records. A field counts only if it is set at both ends; inclusive."""

    at: datetime | None = None
    states: tuple[str, ...] = ()
    time: tuple[int, ...] = ()
    """Ticks of ``states``, one each."""
    time_sum: int | None = None
    tracked_sum: int | None = None
    diff_sum: int | None = None
    tracked_diff_sum: int | None = None
    record_diff_sum: int | None = None
    machine_tick: int | None = None


CLOCKS = ("time_sum", "tracked_sum", "machine_tick")
"""Numbers that never decrease while one machine lives on …"""
DIFFS = ("diff_sum", "tracked_diff_sum", "record_diff_sum")
"""… and numbers that go up and down."""
COUNTED = (*CLOCKS, *DIFFS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which records to find; all conditions must hold, and an empty query finds every record."""

    active: tuple[str, ...] = ()
    activated: tuple[str, ...] = ()
    """Entered by the recorded transition, multi states also again."""
    inactive: tuple[str, ...] = ()
    deactivated: tuple[str, ...] = ()
    start: Bound = Bound()
    end: Bound = Bound()

    def ranges(self) -> list[tuple[str, int, int]]:
        """Return (field, least, most) for the number fields set at both ends, and for ``at``.

        :raises ValueError: if a time of day is naive.
        """
        found: list[tuple[str, int, int]] = []
        for name in COUNTED:
            low, high = getattr(self.start, name), getattr(self.end, name)
            if low is not None and high is not None:
                found.append((name, low, high))
        if self.start.at is not None and self.end.at is not None:
            found.append(("at", to_micros(self.start.at), to_micros(self.end.at)))
        return found

    def tick_ranges(self) -> list[tuple[str, int, int]]:
        """Return (state, least tick, most) for the states bounded at both ends.

        :raises QueryError: if states and ticks do not pair up, or the ends name other states.
        """
        for bound in (self.start, self.end):
            if len(bound.states) != len(bound.time):
                raise QueryError(f"{len(bound.states)} states have {len(bound.time)} ticks")
        if not self.start.states or not self.end.states:
            return []
        most = dict(zip(self.end.states, self.end.time, strict=True))
        if set(most) != set(self.start.states):
            raise QueryError("start and end bound different states")
        pairs = zip(self.start.states, self.start.time, strict=True)
        return [(state, least, most[state]) for state, least in pairs]

    def states(self) -> set[str]:
        """Return every state the query looks at."""
        lists = (self.active, self.activated, self.inactive, self.deactivated)
        return {s for states in (*lists, self.start.states, self.end.states) for s in states}


def to_micros(at: datetime) -> int:
    """Convert an aware datetime to microseconds since 1970.

    :raises ValueError: if it is naive.
    """
    if at.tzinfo is None or at.utcoffset() is None:
        raise ValueError(f"{at!r} has no time zone")
    return (at - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> datetime:
    """Convert microseconds since 1970 to a datetime in UTC."""
    return _EPOCH + timedelta(microseconds=micros)


def as_tuples(query: Query) -> Query:
    """Return the query with lists made tuples, so that callers may pass either."""

    def fixed(value: Any) -> Any:
        if isinstance(value, Bound):
            return Bound(**{f.name: fixed(getattr(value, f.name)) for f in fields(Bound)})
        return tuple(value) if isinstance(value, list) else value

    return Query(**{f.name: fixed(getattr(query, f.name)) for f in fields(Query)})


def check_tracked(states: Iterable[str], tracked: Iterable[str]) -> None:
    """Raise `QueryError` for states that are not tracked."""
    missing = sorted(set(states) - set(tracked))
    if missing:
        raise QueryError(f"not tracked: {', '.join(missing)}")
