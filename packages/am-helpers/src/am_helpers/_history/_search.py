"""Which records fulfil a query: their ids as ranges, newest first, found by index.

A condition on a clock (the time of day, a sum, a state's tick) holds for one range of ids in each
stretch, since clocks do not go back in it: a binary search finds its ends. A condition on a state
is a source of ranges too, as is one on a difference. The source that offers the fewest records is
followed; what it offers is checked against the other conditions by one statement for many records.

Conditions are put together from constant texts, and every value is a parameter.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from heapq import merge
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, TypeAlias

from ._model import CLOCKS, DIFFS

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from ._model import Query

FEW = 1000
"""A source of no more records than this is followed to its end without a thought."""
_MANY_VALUES = 200  # of a difference, whose records are merged
_BUDGETS = (40, FEW + 1)  # ranges of each source to look at, at first and if need be
_FIRST_PIECE, _LAST_PIECE = 256, 16_384  # ids that are looked at by one statement

Range: TypeAlias = tuple[int, int]

COLUMNS = (
    "t.id, t.kind, t.time_sum, t.tracked_sum, t.diff_sum, t.tracked_diff_sum, t.record_diff_sum,"
    " t.at, t.version, t.machine_tick"
)
_FIRST_AT = "SELECT id FROM times WHERE machine = ? AND at >= ? ORDER BY at, id LIMIT 1"
_LAST_AT = "SELECT id FROM times WHERE machine = ? AND at <= ? ORDER BY at DESC, id DESC LIMIT 1"
_ENDS = (
    "SELECT id FROM times WHERE machine = ? ORDER BY id LIMIT 1",
    "SELECT id FROM times WHERE machine = ? ORDER BY id DESC LIMIT 1",
)
_STRETCHES = "SELECT first_id FROM stretches WHERE machine = ? AND first_id <= ? ORDER BY 1 DESC"
_CLOCK = {
    name: f"SELECT {name} FROM times WHERE machine = ? AND id <= ? ORDER BY id DESC LIMIT 1"
    for name in CLOCKS
}
TICK = (
    "SELECT tick FROM ticks INDEXED BY ticks_state"
    " WHERE machine = ? AND state = ? AND time_id <= ? ORDER BY time_id DESC LIMIT 1"
)

# What each list of a query asks of a state's row. The texts are those of the partial indexes.
HOLDS = {"active": "tick & 1", "inactive": "NOT tick & 1"}
MOVES = {"activated": "tick & 1 AND diff > 0", "deactivated": "NOT tick & 1 AND diff > 0"}
# From a row to the next one of the state.
_RUNS = {
    name: f"""
    SELECT time_id, (
        SELECT time_id - 1 FROM ticks AS later INDEXED BY ticks_state
        WHERE later.machine = ticks.machine AND later.state = ticks.state
            AND later.time_id > ticks.time_id ORDER BY later.time_id LIMIT 1
    ) FROM ticks INDEXED BY ticks_{name}
    WHERE machine = ? AND state = ? AND {text} AND time_id <= ? ORDER BY time_id DESC LIMIT ?
    """
    for name, text in HOLDS.items()
}
_MOVED = {
    name: f"SELECT time_id FROM ticks INDEXED BY ticks_{name} WHERE machine = ? AND state = ?"
    f" AND {text} AND time_id BETWEEN ? AND ? ORDER BY time_id DESC LIMIT ?"
    for name, text in MOVES.items()
}
_DIFF_IDS = {
    name: f"SELECT id FROM times INDEXED BY times_{name}"
    f" WHERE machine = ? AND {name} BETWEEN ? AND ? AND id BETWEEN ? AND ? LIMIT ?"
    for name in DIFFS
}
_DIFF_COUNT = {name: f"SELECT count(*) FROM ({sql})" for name, sql in _DIFF_IDS.items()}
_DIFF_NEXT = {
    name: f"SELECT {name} FROM times INDEXED BY times_{name}"
    f" WHERE machine = ? AND {name} > ? AND {name} <= ? ORDER BY {name} LIMIT 1"
    for name in DIFFS
}
_DIFF_OF = {
    name: f"SELECT id FROM times INDEXED BY times_{name}"
    f" WHERE machine = ? AND {name} = ? AND id BETWEEN ? AND ? ORDER BY id DESC LIMIT ?"
    for name in DIFFS
}
# The same, asked of one record `t`.
_CHECKS = {
    name: f"(SELECT {text} FROM ticks INDEXED BY ticks_state WHERE machine = ? AND state = ?"
    " AND time_id <= t.id ORDER BY time_id DESC LIMIT 1)"
    for name, text in HOLDS.items()
} | {
    name: "EXISTS (SELECT 1 FROM ticks WHERE machine = ? AND time_id = t.id AND state = ?"
    f" AND {text})"
    for name, text in MOVES.items()
}


class Search:
    """Finds records of one machine; ``states`` are what the file calls the states of the query."""

    def __init__(
        self, db: sqlite3.Connection, machine: int, query: Query, states: dict[str, int]
    ) -> None:
        self._db = db
        self._machine = machine
        self._clocks: list[tuple[Callable[[int], Any], int, int]] = []
        self._conditions: list[_Condition] = []
        at: tuple[int | None, int | None] = (None, None)
        for name, least, most in query.ranges():
            if name == "at":
                at = (least, most)
            elif name in CLOCKS:
                self._clocks.append((self._clock(_CLOCK[name]), least, most))
            else:
                self._conditions.append(_Difference(db, machine, name, least, most))
        for state, least, most in query.tick_ranges():
            self._clocks.append((self._clock(TICK, states[state]), least, most))
        for name in (*HOLDS, *MOVES):
            kind = _Holding if name in HOLDS else _Moved
            for state in getattr(query, name):
                self._conditions.append(kind(db, machine, name, states[state]))
        self._first, self._last = self._span(*at)

    def rows(self, limit: int, check: Callable[[], None]) -> list[Any]:
        """The `COLUMNS` of the records, newest first; all for 0. ``check`` may raise meanwhile."""
        if self._last < self._first:
            return []
        source, checks = self._best()
        sql = "".join(f" AND {text}" for check in checks for text in (check.text,))
        values = [value for check in checks for value in check.values]
        statement = (
            f"SELECT {COLUMNS} FROM json_each(?) AS piece CROSS JOIN times AS t ON t.machine = ?"
            " AND t.id BETWEEN json_extract(piece.value, '$[0]')"
            f" AND json_extract(piece.value, '$[1]'){sql} ORDER BY t.id DESC LIMIT ?"
        )
        found: list[Any] = []
        size = limit if limit and not checks else _FIRST_PIECE
        for piece in _pieces(source, min(size, _LAST_PIECE)):
            check()
            left = limit - len(found) if limit else -1
            parameters = (json.dumps(piece), self._machine, *values, left)
            found += self._db.execute(statement, parameters).fetchall()
            if len(found) == limit:
                break
        return found

    # ---------------------------------------------------------------- the ranges of clocks

    def _span(self, least: int | None, most: int | None) -> Range:
        """The ids of all records, or of those in a range of the time of day."""
        one = self._one
        if least is None or most is None:
            return one(_ENDS[0]) or 1, one(_ENDS[1]) or 0
        first, last = one(_FIRST_AT, least), one(_LAST_AT, most)
        return (1, 0) if first is None or last is None or most < least else (first, last)

    def _one(self, sql: str, *values: object) -> Any:
        row = self._db.execute(sql, (self._machine, *values)).fetchone()
        return None if row is None else row[0]

    def _clock(self, sql: str, *values: object) -> Callable[[int], Any]:
        return lambda id_: self._one(sql, *values, id_)

    def _spans(self) -> Iterator[Range]:
        """The ranges in which all conditions on clocks hold."""
        if not self._clocks:
            yield self._first, self._last
            return
        last = self._last
        for (first,) in self._db.execute(_STRETCHES, (self._machine, last)).fetchall():
            span: Range | None = (max(first, self._first), last)
            for value_at, least, most in self._clocks:
                span = span and _narrow(*span, value_at, least, most)
            if span:
                yield span
            last = first - 1
            if last < self._first:
                break

    # ------------------------------------------------------------------ which to follow

    def _best(self) -> tuple[Iterable[Range], list[_Condition]]:
        """The source to follow, and the conditions that are left to be checked."""
        spans, taken = self._spans(), []
        if not self._clocks and len(self._conditions) == 1 and self._conditions[0].can_lead:
            (only,) = self._conditions
            return only.within(self._first, self._last), []
        width = 0
        for span in spans:
            taken.append(span)
            width += span[1] - span[0] + 1
            if width > FEW:
                break
        if width <= FEW or not self._conditions:
            return chain(taken, spans), self._conditions
        again = _Again(chain(taken, spans))
        leaders = [condition for condition in self._conditions if condition.can_lead]
        leaders.sort(key=lambda condition: condition.cost)
        offers = [_Offer(condition, again) for condition in leaders]
        for budget in _BUDGETS:
            for offer in offers:
                if offer.weigh(budget):  # it offers few, so the others need no look
                    return offer.ranges(), [c for c in self._conditions if c is not offer.condition]
        if not offers:
            return again, self._conditions
        best = min(offers, key=lambda offer: offer.width)
        return best.ranges(), [c for c in self._conditions if c is not best.condition]


class _Offer:
    """What a condition offers as a source, as far as it is known."""

    def __init__(self, condition: _Condition, spans: _Again) -> None:
        self.condition = condition
        self.width = 0
        self._source = (r for first, last in spans for r in condition.within(first, last))
        self._taken: list[Range] = []

    def weigh(self, budget: int) -> bool:
        """Look at so many ranges. Whether that is all there is, and few records."""
        while self.width <= FEW:
            if len(self._taken) >= budget:
                return False
            span = next(self._source, None)
            if span is None:
                return True
            self._taken.append(span)
            self.width += span[1] - span[0] + 1
        return False

    def ranges(self) -> Iterator[Range]:
        """All ranges, newest first."""
        return chain(self._taken, self._source)


class _Again:
    """Ranges that can be gone through more than once, made as they are first needed."""

    def __init__(self, ranges: Iterator[Range]) -> None:
        self._ranges = ranges
        self._known: list[Range] = []

    def __iter__(self) -> Iterator[Range]:
        number = 0
        while True:
            while number < len(self._known):
                yield self._known[number]
                number += 1
            following = next(self._ranges, None)
            if following is None:
                return
            self._known.append(following)


def _narrow(
    first: int, last: int, value_at: Callable[[int], Any], least: int, most: int
) -> Range | None:
    """The part of a stretch in which a clock is in the range, if there is one."""
    lowest, highest = value_at(first), value_at(last)
    if lowest is None or highest is None or highest < least or lowest > most:
        return None  # or not tracked there
    ids = range(first, last + 1)
    start = first if lowest >= least else ids[bisect_left(ids, least, key=value_at)]
    end = last if highest <= most else ids[bisect_right(ids, most, key=value_at) - 1]
    return (start, end) if start <= end else None


def _pieces(source: Iterable[Range], size: int) -> Iterator[list[Range]]:
    """Cut and collect ranges, so that the first records come soon and many at little cost."""
    left, piece = size, []
    for first, last in source:
        while first <= last:
            start = max(first, last - left + 1)
            piece.append((start, last))
            left -= last - start + 1
            last = start - 1
            if not left:
                yield piece
                size = min(size * 4, _LAST_PIECE)
                left, piece = size, []
    if piece:
        yield piece


class _Condition:
    """One condition of a query on records."""

    can_lead = True
    cost: int
    """What a range costs, compared to others."""
    text: str
    values: tuple[object, ...]

    def within(self, first: int, last: int) -> Iterator[Range]:
        """The ranges of ids in which it holds, newest first."""
        raise NotImplementedError


class _Holding(_Condition):
    """A state is active, or inactive."""

    cost = 3

    def __init__(self, db: sqlite3.Connection, machine: int, name: str, state: int) -> None:
        self._db, self._name = db, name
        self.text, self.values = _CHECKS[name], (machine, state)

    def within(self, first: int, last: int) -> Iterator[Range]:
        many = 8
        while first <= last:
            values = (*self.values, last, many)
            runs = self._db.execute(_RUNS[self._name], values).fetchall()
            for start, end in runs:
                end = last if end is None else min(end, last)
                if end < first:
                    return
                yield max(start, first), end
                last = start - 1
            if len(runs) < many:
                return
            many = min(many * 4, FEW)


class _Moved(_Condition):
    """A state was entered, or left."""

    cost = 1

    def __init__(self, db: sqlite3.Connection, machine: int, name: str, state: int) -> None:
        self._db, self._name = db, name
        self.text, self.values = _CHECKS[name], (machine, state)

    def within(self, first: int, last: int) -> Iterator[Range]:
        def page(last: int, many: int) -> list[Any]:
            values = (*self.values, first, last, many)
            return self._db.execute(_MOVED[self._name], values).fetchall()

        return ((id_, id_) for id_ in _paged(page, last))


class _Difference(_Condition):
    """A difference is in a range: the records of each of its values, merged."""

    cost = 2

    def __init__(
        self, db: sqlite3.Connection, machine: int, name: str, least: int, most: int
    ) -> None:
        least, most = (min(max(end, -_MOST_ID), _MOST_ID) for end in (least, most))
        self._db, self._machine, self._name = db, machine, name
        self._least, self._most = least, most
        self.text, self.values = f"t.{name} BETWEEN ? AND ?", (least, most)
        values = (machine, least, most, 1, _MOST_ID, FEW + 1)
        self._is_few = db.execute(_DIFF_COUNT[name], values).fetchone()[0] <= FEW
        # Of very many values no order is at hand: then the newest records are looked through.
        known = () if self._is_few else islice(self._distinct(), _MANY_VALUES + 1)
        self._known = list(known)
        self.can_lead = len(self._known) <= _MANY_VALUES

    def _distinct(self) -> Iterator[int]:
        value = self._least - 1
        sql = _DIFF_NEXT[self._name]
        while row := self._db.execute(sql, (self._machine, value, self._most)).fetchone():
            (value,) = row
            yield value

    def within(self, first: int, last: int) -> Iterator[Range]:
        if self._is_few:
            values = (self._machine, self._least, self._most, first, last, FEW)
            found = self._db.execute(_DIFF_IDS[self._name], values).fetchall()
            return ((id_, id_) for (id_,) in sorted(found, reverse=True))
        streams = [_paged(self._page(value, first), last) for value in self._known]
        return ((id_, id_) for id_ in merge(*streams, reverse=True))

    def _page(self, value: int, first: int) -> Callable[[int, int], list[Any]]:
        def page(last: int, many: int) -> list[Any]:
            values = (self._machine, value, first, last, many)
            return self._db.execute(_DIFF_OF[self._name], values).fetchall()

        return page


_MOST_ID = 2**63 - 1


def _paged(page: Callable[[int, int], list[Any]], last: int) -> Iterator[int]:
    """Ids in pages that grow."""
    many = 8
    while True:
        rows = page(last, many)
        for (id_,) in rows:
            yield id_
            last = id_ - 1
        if len(rows) < many:
            return
        many = min(many * 4, FEW)
