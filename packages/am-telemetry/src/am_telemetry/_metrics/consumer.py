"""What the hub tells, counted."""

from __future__ import annotations

import threading
from functools import partial
from time import monotonic, perf_counter_ns
from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as otel

from .._hub import Consumer, Hub
from .._hub.flusher import FLUSHER
from .collecting import Book
from .detail import DetailTracer, SliceTracer
from .instruments import HANDLER_DURATION, MACHINE_ID, TRANSITION_DURATION
from .labels import Labels
from .machines import MachineSeries
from .meter import Instruments, instruments_on

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .._hub.consumer import Batch
    from .._hub.link import MachineLink

SLICE = 0.02
"""Seconds of a slice in which durations are taken."""
MOST_RECORDS = 100
"""Durations handed to histograms in one turn of the hub: each takes longer than a transition."""


class MetricsConsumer(Consumer):
    """The series of the machines bound, and the instruments that read them."""

    def __init__(
        self,
        hub: Hub,
        provider: otel.MeterProvider | None,
        *,
        label: Callable[[Any], str] | None,
        level: int,
        states: tuple[str, ...] | None,
        sample: int,
    ) -> None:
        self.level = level
        self._hub = hub
        self._provider = provider
        self._states = states
        self._sample = sample
        self._next_slice = 0.0
        self._labels = Labels(label)
        self._book = Book()
        self._instruments: Instruments | None = None

    def open(self) -> None:
        """Have the instruments read this, too. Again: nothing."""
        if self._instruments is None:
            self._instruments = instruments_on(self._provider)
            self._instruments.add(self, self._book.totals, self._own_numbers)

    def shut(self) -> None:
        """Have them read it no more. Again: nothing."""
        if self._instruments is not None:
            self._instruments.remove(self)
            self._instruments = None

    def _own_numbers(self) -> dict[str, float]:
        stream, connected = self._hub.streams.total()
        return {
            "am.telemetry.errors": self._hub.errors,
            "am.dbg.sent": stream.acked,
            "am.dbg.dropped": stream.dropped,
            "am.dbg.bytes": stream.bytes,
            "am.dbg.buffer": stream.buffered,
            "am.dbg.connected": connected,
        }

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is None or self._book.get(link.number) is not None:
            return
        series = MachineSeries(
            link, machine, self._labels.take(machine), level=self.level, states=self._states
        )
        self._book.add(series)
        if self.level >= 2:
            self._begin_detail(series, machine)
        elif self._sample == 1:
            self._begin_slice(series, None, machine)

    def entries(self, batch: Batch) -> None:
        """What machines did."""
        for link, entries in batch:
            series = self._book.get(link.number)
            if series is not None:
                series.counts.add_all(link.schema, entries)

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        """Transitions of a machine were not kept."""
        series = self._book.get(link.number)
        if series is not None:
            series.counts.lost(count)

    def schema_changed(self, link: MachineLink) -> None:
        """A machine's schema grew."""
        series = self._book.get(link.number)
        if series is not None:
            series.schema_changed(link.schema)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone; its totals stay."""
        series = self._book.get(link.number)
        if series is None:
            return
        self._book.retire(link.number, is_last=self._labels.release(series.label))
        self._record(series, MOST_RECORDS)
        for tracer in (series.detail, series.slice):
            if tracer is not None:
                tracer.retire(link)

    def tick(self, at: float) -> None:
        """Follow those who listen at level 2, hand durations to the histograms, begin slices."""
        if 0 < self.level < 2:
            for series in self._book.live():
                self._follow(series)
        if not self._sample:
            return
        left = MOST_RECORDS
        for series in self._book.live():
            left -= self._record(series, left)
        if self._sample > 1 and at >= self._next_slice:
            self._next_slice = at + self._sample * SLICE
            self._begin_slices()

    def flush(self, deadline: float) -> None:
        """Hand on what is kept; at the end of the program the provider exports once more."""
        for series in self._book.live():
            self._record(series, MOST_RECORDS)
        # Not sooner: a reader that waits to be scraped would keep what it is flushed with.
        flush = getattr(self._provider or otel.get_meter_provider(), "force_flush", None)
        if flush is not None and self._instruments and not threading.main_thread().is_alive():
            left = deadline - monotonic()
            FLUSHER.run(partial(flush, left * 1000), left)

    def forked(self) -> None:
        """A child counts anew."""
        for series in self._book.forked():
            for tracer in (series.detail, series.slice):
                if tracer is not None:
                    tracer.retire(series.link)
        self._labels.clear()
        if self._instruments is not None:
            self._instruments.forked()

    # ------------------------------------------------------------------ details

    def _follow(self, series: MachineSeries) -> None:
        """Take details while somebody else does."""
        if series.link.detailed:
            if series.detail is None:
                series.link.ask(partial(self._begin_detail, series))
        elif series.detail is not None:
            series.detail.retire(series.link)
            series.detail = None

    def _begin_detail(self, series: MachineSeries, machine: am.BaseMachine) -> None:
        if series.detail is not None:
            return
        until = None if self._sample == 1 else 0
        tracer = series.detail = DetailTracer(
            self._hub.guard, series.durations, until, len(machine.queue)
        )
        machine.bind_tracer(tracer)

    def _begin_slice(
        self, series: MachineSeries, until: int | None, machine: am.BaseMachine
    ) -> None:
        if series.slice is not None or (until is not None and perf_counter_ns() >= until):
            return
        over = partial(series.link.ask, partial(_end_slice, series))
        series.slice = SliceTracer(self._hub.guard, series.durations, until, over)
        machine.bind_tracer(series.slice)

    def _begin_slices(self) -> None:
        until = perf_counter_ns() + int(SLICE * 1e9)
        for series in self._book.live():
            if series.detail is not None:
                series.detail.until = until
            elif series.slice is None:
                series.link.ask(partial(self._begin_slice, series, until))

    def _record(self, series: MachineSeries, most: int) -> int:
        """Hand at most so many durations to the histograms; returns how many."""
        instruments = self._instruments
        if instruments is None:
            return 0
        attributes = {MACHINE_ID: series.label}
        count = 0
        for waiting, instrument in (
            (series.durations.transitions, TRANSITION_DURATION),
            (series.durations.handlers, HANDLER_DURATION),
        ):
            histogram = instruments.histograms[instrument.name]
            while waiting and count < most:
                histogram.record(waiting.popleft() / 1e9, attributes)
                count += 1
        return count


def _end_slice(series: MachineSeries, machine: am.BaseMachine) -> None:
    if series.slice is not None:
        machine.detach_tracer(series.slice)
        series.slice = None
