"""One reading of all series, shared by the callbacks of one collection.

A collection calls back once for each instrument; reading every machine each time would be slow, and
the numbers of one collection would not fit each other.
"""

from __future__ import annotations

from collections import defaultdict
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from .instruments import INSTRUMENTS, MACHINE_ID, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .counts import Attributes, Point
    from .machines import MachineSeries

    # (instrument, label, attributes) -> value
    Totals = dict[tuple[str, str, Attributes], float]

DISPOSED = "_disposed"
"""Stands for all machines that are gone; their totals go on in its series."""
FIRST = next(one.name for one in INSTRUMENTS if one.by_machine and one.kind is not Kind.HISTOGRAM)
MAX_AGE = 10.0
"""Seconds that a reading may serve one collection."""


class Book:
    """Live machines, and the totals of those that are gone."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._live: dict[int, MachineSeries] = {}
        # By label, while other machines have the same; else under `DISPOSED`.
        self._gone: dict[str, dict[tuple[str, Attributes], float]] = {}

    def add(self, series: MachineSeries) -> None:
        """A machine came."""
        with self._lock:
            self._live[series.link.number] = series

    def get(self, number: int) -> MachineSeries | None:
        """The series of a machine, by the number of its link."""
        return self._live.get(number)

    def live(self) -> list[MachineSeries]:
        """The machines there are."""
        with self._lock:
            return list(self._live.values())

    def retire(self, number: int, *, is_last: bool) -> MachineSeries | None:
        """A machine is gone, the last one of its label or not: its totals stay."""
        with self._lock:
            series = self._live.pop(number, None)
            if series is None:
                return None
            label = series.label
            add_up(self._gone.setdefault(label, {}), series.counters())
            if is_last:
                into = self._gone.setdefault(DISPOSED, {})
                totals = self._gone.pop(label)
                add_up(into, [(name, more, value) for (name, more), value in totals.items()])
            return series

    def forked(self) -> list[MachineSeries]:
        """A child process begins with nothing; returns the machines there were."""
        before = list(self._live.values())
        self._lock = Lock()
        self._live = {}
        self._gone = {}
        return before

    def totals(self) -> Totals:
        """All series by instrument, label and attributes."""
        found: Totals = defaultdict(int)
        with self._lock:
            for label, totals in self._gone.items():
                for (name, more), value in totals.items():
                    found[name, label, more] += value
            for series in self._live.values():
                for name, more, value in (*series.counters(), *series.gauges()):
                    found[name, series.label, more] += value
        return found


def add_up(into: dict[tuple[str, Attributes], float], points: Iterable[Point]) -> None:
    """Add points to totals."""
    for name, more, value in points:
        into[name, more] = into.get((name, more), 0) + value


class Readings:
    """The readings of a number of sources, each reading for one collection."""

    def __init__(self, sources: Callable[[], Iterable[Totals]]) -> None:
        self._sources = sources
        self._lock = Lock()
        self._served: set[str] = set()
        self._read_at = 0.0
        self._found: dict[str, dict[tuple[str, Attributes], float]] = {}

    def of(self, instrument: str) -> Iterator[tuple[dict[str, str | bool], float]]:
        """The (attributes, value) of an instrument. A new reading begins with the instrument that
        was made first, which collections begin with, or with any that this one served already."""
        with self._lock:
            is_old = monotonic() - self._read_at > MAX_AGE
            if instrument == FIRST or instrument in self._served or is_old:
                self._served.clear()
                self._found = self._read()
                self._read_at = monotonic()
            self._served.add(instrument)
            points = self._found.get(instrument, {})
        for (label, more), value in points.items():
            yield {MACHINE_ID: label, **dict(more)}, value

    def _read(self) -> dict[str, dict[tuple[str, Attributes], float]]:
        found: dict[str, dict[tuple[str, Attributes], float]] = {}
        for totals in self._sources():
            for (name, label, more), value in totals.items():
                points = found.setdefault(name, {})
                points[label, more] = points.get((label, more), 0) + value
        return found
