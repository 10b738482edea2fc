"""The logs API of OpenTelemetry, which is still experimental: only this module imports it."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

otel: Any = None
with suppress(ImportError):  # moved or renamed by a later version
    otel = import_module("opentelemetry._logs")

# The levels that machines have, in the order of severity.
SEVERITIES = ("TRACE", "DEBUG", "DEBUG4", "INFO", "INFO4", "ERROR")


def is_there() -> bool:
    """Whether this version of OpenTelemetry has the API as it is known here."""
    return otel is not None and hasattr(otel, "get_logger_provider")


def global_provider() -> object:
    """The provider that the program has set up, or one that hands on to it later."""
    return otel.get_logger_provider()


def emitter(
    provider: Any, name: str, version: str
) -> Callable[[int, str, str, Mapping[str, Any]], None]:
    """Return a function that emits (time in nanoseconds, severity, text, attributes), with the
    trace that is current where it is called."""
    logger = (provider or otel.get_logger_provider()).get_logger(name, version)
    numbers = {severity: otel.SeverityNumber[severity] for severity in SEVERITIES}

    def emit(at: int, severity: str, text: str, attributes: Mapping[str, Any]) -> None:
        record = otel.LogRecord(
            timestamp=at,
            severity_text=severity,
            severity_number=numbers[severity],
            body=text,
            attributes=attributes,
        )
        logger.emit(record)

    return emit
