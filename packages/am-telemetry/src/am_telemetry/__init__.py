"""Traces, metrics, logs, dashboards and a debugger stream of machines. It only observes.

The rooms, each above those that it knows: `_errors`, `_env` ← `_hub` (one thread per process that
reads what machines did) ← `_metrics`, `_traces`, `_logs`, `_dbg` (who is told of it) ← `_setup`
(SDKs) ← `_grafana` ← `_bind` (what the environment asks for) ← `_cli`. Public, too:
`am_telemetry.dbg` and `am_telemetry.testing`.
"""

from typing import TYPE_CHECKING

from .__about__ import __version__ as __version__
from ._bind import bind_env as bind_env
from ._errors import AddressError as AddressError
from ._errors import MissingExtraError as MissingExtraError
from ._errors import TelemetryError as TelemetryError

if TYPE_CHECKING:  # loaded when first asked for: they bring OpenTelemetry along
    from ._grafana.dashboard import grafana_dashboard as grafana_dashboard
    from ._logs import LogBridge as LogBridge
    from ._logs import StdLogBridge as StdLogBridge
    from ._metrics import Metrics as Metrics
    from ._setup import Otlp as Otlp
    from ._setup import PrometheusEndpoint as PrometheusEndpoint
    from ._setup import setup_otlp as setup_otlp
    from ._setup import setup_prometheus as setup_prometheus
    from ._traces import TraceTracer as TraceTracer
else:
    from . import _lazy

    __getattr__ = _lazy.loads(  # Python asks it for names
        __name__,
        {
            "LogBridge": "_logs",
            "Metrics": "_metrics",
            "Otlp": "_setup",
            "PrometheusEndpoint": "_setup",
            "StdLogBridge": "_logs",
            "TraceTracer": "_traces",
            "grafana_dashboard": "_grafana.dashboard",
            "setup_otlp": "_setup",
            "setup_prometheus": "_setup",
        },
    )

__all__ = [
    "AddressError",
    "LogBridge",
    "Metrics",
    "MissingExtraError",
    "Otlp",
    "PrometheusEndpoint",
    "StdLogBridge",
    "TelemetryError",
    "TraceTracer",
    "__version__",
    "bind_env",
    "grafana_dashboard",
    "setup_otlp",
    "setup_prometheus",
]


def _publish() -> None:
    """Users and pickles see the public module, whichever room a name is in."""
    for name in __all__:
        value = globals().get(name)
        if hasattr(value, "__name__") and value.__module__.startswith(f"{__name__}._"):
            value.__module__ = __name__


_publish()
del _publish
