"""Traces, metrics, logs, dashboards and a debugger stream of machines. It only observes.

The rooms, each above those that it knows: `_errors`, `_env` ← `_hub` (one thread per process that
reads what machines did) ← `_metrics`, `_traces`, `_logs`, `_dbg` (who is told of it) ← `_setup`
(SDKs) ← `_grafana` ← `_bind` (what the environment asks for) ← `_cli`. Public, too:
`am_telemetry.dbg` and `am_telemetry.testing`.
"""

from .__about__ import __version__ as __version__
from ._bind import bind_env as bind_env
from ._errors import MissingExtraError as MissingExtraError
from ._errors import TelemetryError as TelemetryError
from ._grafana.dashboard import grafana_dashboard as grafana_dashboard

__all__ = [
    "MissingExtraError",
    "TelemetryError",
    "__version__",
    "bind_env",
    "grafana_dashboard",
]
