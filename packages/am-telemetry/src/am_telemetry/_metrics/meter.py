"""The instruments on a meter: made once, read by callbacks over all `Metrics` that use it.

OpenTelemetry knows neither how to take an instrument back, nor two of one name: the callbacks of
the second would never be called. So the instruments belong to the meter.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from opentelemetry import metrics as otel

from ..__about__ import __version__
from .collecting import Readings
from .instruments import BOUNDS, INSTRUMENTS, METER, Instrument, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .collecting import Totals

    # What is told of the process: by name of the instrument.
    OwnNumbers = Callable[[], dict[str, float]]

_lock = Lock()
_by_meter: WeakKeyDictionary[Any, Instruments] = WeakKeyDictionary()
# Those on the global provider, which may be there before the program sets it up.
_global: list[Instruments] = []


class Instruments:
    """The instruments of one meter."""

    def __init__(self, meter: otel.Meter) -> None:
        self._sources: dict[object, Callable[[], Totals]] = {}
        self._own: OwnNumbers | None = None
        self._readings = Readings(self._read)
        self.histograms: dict[str, otel.Histogram] = {}
        for one in INSTRUMENTS:
            self._make(meter, one)

    def _make(self, meter: otel.Meter, one: Instrument) -> None:
        if one.kind is Kind.HISTOGRAM:
            self.histograms[one.name] = meter.create_histogram(
                one.name, one.unit, one.about, explicit_bucket_boundaries_advisory=list(BOUNDS)
            )
            return
        make = {
            Kind.COUNTER: meter.create_observable_counter,
            Kind.GAUGE: meter.create_observable_gauge,
            Kind.UP_DOWN: meter.create_observable_up_down_counter,
        }[one.kind]
        observe = self._observe if one.by_machine else self._observe_own
        make(one.name, callbacks=[_callback(observe, one.name)], unit=one.unit,
             description=one.about)  # fmt: skip

    def add(self, owner: object, totals: Callable[[], Totals], own: OwnNumbers) -> None:
        """Read from here, too."""
        self._own = own
        self._sources = {**self._sources, owner: totals}

    def remove(self, owner: object) -> None:
        """Read from there no more."""
        self._sources = {key: fn for key, fn in self._sources.items() if key is not owner}

    def forked(self) -> None:
        """A child process: a thread of its parent may have held the lock."""
        self._readings = Readings(self._read)

    def _read(self) -> Iterable[Totals]:
        return [totals() for totals in self._sources.values()]

    def _observe(self, name: str) -> Iterator[otel.Observation]:
        for attributes, value in self._readings.of(name):
            yield otel.Observation(value, attributes)

    def _observe_own(self, name: str) -> Iterator[otel.Observation]:
        if self._sources and self._own is not None:
            numbers = self._own()
            if name in numbers:
                yield otel.Observation(numbers[name])


def _callback(
    observe: Callable[[str], Iterable[otel.Observation]], name: str
) -> Callable[[otel.CallbackOptions], Iterable[otel.Observation]]:
    def call(options: otel.CallbackOptions) -> Iterable[otel.Observation]:
        return observe(name)

    return call


def instruments_on(provider: otel.MeterProvider | None) -> Instruments:
    """The instruments on a provider's meter, by default on that of the global provider."""
    shared = otel.get_meter_provider()
    with _lock:
        if provider is None or provider is shared:
            if _global:
                return _global[0]
            provider = shared
        meter = provider.get_meter(METER, __version__)
        found = _by_meter.get(meter)
        if found is None:
            found = _by_meter[meter] = Instruments(meter)
        if provider is shared:
            _global.append(found)
        return found
