"""Telemetry installed without any extra: imports, binds, says what is missing, and costs nothing.

    python packages/am-telemetry/benchmarks/bare.py

For an environment into which nothing but the wheel was installed; 1 if it does not hold.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from pairs import Figure, machine, measure

import am_machine as am
from am_telemetry import LogBridge, Metrics, TraceTracer, bind_env

if TYPE_CHECKING:
    from collections.abc import Iterator

SWITCHES = {"AM_SERVICE": "bare", "AM_DBG_ADDR": "1", "AM_PROM_ADDR": "1", "AM_OTEL_TRACE": "1"}
EXTRAS = ("msgpack", "opentelemetry.sdk", "prometheus_client")
MOST = 1.05
"""What 1.0 means where others may be busy."""


class _Nothing:
    """What `measure` asks of those who listen."""

    def settle(self) -> None:
        """Nobody has anything to do."""

    def lost(self) -> float:
        """Nothing is kept, so nothing is lost."""
        return 0.0


class Bound:
    """Everything that can be bound without extras."""

    @contextmanager
    def listening(self, one: am.Machine) -> Iterator[Any]:
        """Bind a machine, and see that nothing is kept of it."""
        with Metrics() as metrics, TraceTracer() as traces:
            for exporter in (metrics, traces):
                exporter.bind(one)
            assert not any(isinstance(tracer, am.Journal) for tracer in one.tracers)
            yield _Nothing()


def main() -> int:
    """Bind, measure, print; 1 if it costs something."""
    found = [name for name in EXTRAS if _is_there(name)]
    if found:
        print(f"installed beside: {', '.join(found)}", file=sys.stderr)
        return 1
    told = _told_by_environment()
    print(*told, sep="\n")
    with LogBridge() as logs:
        logs.bind(machine(0.0))
    bound: Any = Bound()
    figure: Figure = measure(bound, "flat out", 30)
    print(f"bound and bare: {figure.hot.median:.3f} ({figure.hot.low:.3f}…)")
    return 0 if figure.hot.low <= MOST and all("pip install" in line for line in told) else 1


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


def _told_by_environment() -> list[str]:
    """What the switches say to a program: one warning for each extra."""
    told: list[str] = []

    class Kept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append(record.getMessage())

    logger = logging.getLogger("am_telemetry")
    logger.addHandler(Kept())
    logger.propagate = False
    os.environ.update(SWITCHES)
    for name in ("a", "b"):
        one = am.Machine({"A": {}}, id=name)
        bind_env(one)
        assert one.add("A") is am.EXECUTED
    for name in SWITCHES:
        del os.environ[name]
    return told


if __name__ == "__main__":
    sys.exit(main())
