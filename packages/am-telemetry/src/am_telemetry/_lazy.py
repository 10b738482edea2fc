"""Public names that are loaded when they are first asked for.

They bring OpenTelemetry along, which takes longer to load than all else here. A program that only
streams to a debugger needs none of it, and a debugger neither.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

_PACKAGE = __name__.rpartition(".")[0]
_MODULE_OF = {
    "grafana_dashboard": "_grafana.dashboard",
    "LogBridge": "_logs",
    "StdLogBridge": "_logs",
    "Metrics": "_metrics",
    "Otlp": "_setup",
    "PrometheusEndpoint": "_setup",
    "setup_otlp": "_setup",
    "setup_prometheus": "_setup",
    "TraceTracer": "_traces",
}


def load(name: str) -> Any:
    """Return a name of the package that was not loaded yet.

    :raises AttributeError: if there is no such name.
    """
    if name not in _MODULE_OF:
        raise AttributeError(f"module {_PACKAGE!r} has no attribute {name!r}")
    import_module(f"{_PACKAGE}.{_MODULE_OF[name]}")
    public = vars(sys.modules[_PACKAGE])
    # All that is there by now: an object may come into a user's hands, and into a pickle, before
    # its class is asked for.
    for other, module in _MODULE_OF.items():
        loaded = sys.modules.get(f"{_PACKAGE}.{module}")
        if loaded is not None and other not in public:
            value = public[other] = getattr(loaded, other)
            value.__module__ = _PACKAGE
    return public[name]
