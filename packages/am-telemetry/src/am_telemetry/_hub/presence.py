"""Whether anybody would take what is told: without an SDK the API of OpenTelemetry does nothing."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

# Providers of the API that hand on to a real one, once it is there; and those that never do.
_PROXIES = ("ProxyTracerProvider", "_ProxyMeterProvider", "ProxyLoggerProvider")
_NONE = ("NoOpTracerProvider", "NoOpMeterProvider", "NoOpLoggerProvider")


@cache
def has_sdk() -> bool:
    """Whether the SDK of OpenTelemetry is installed, so that a program may set it up later."""
    return find_spec("opentelemetry.sdk") is not None


def is_deaf(provider: object) -> bool:
    """Whether nothing will ever come of what a provider is told."""
    kind = type(provider).__name__
    return kind in _NONE or (kind in _PROXIES and not has_sdk())


def is_proxy(provider: object) -> bool:
    """Whether the program has set up no provider so far."""
    return type(provider).__name__ in _PROXIES
