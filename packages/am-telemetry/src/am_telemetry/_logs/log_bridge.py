"""Lines of machines as records of OpenTelemetry."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .._hub import Closing, Handle, Hub
from .._hub.flusher import FLUSHER
from .._hub.presence import is_deaf
from . import otel_logs
from .consumer import LogConsumer

if TYPE_CHECKING:
    import am_machine as am

LOGGER = logging.getLogger("am_telemetry")
FLUSH = 5.0
"""Seconds that a provider may take to flush when a bridge is closed."""


class LogBridge(Closing):
    """Sends the lines that machines emit, those of their submachines too, through OpenTelemetry.

    `provider` defaults to the global logger provider, which may be set up later. What a machine
    emits depends on its `log_level`, which stays as it is.

    Nothing of it reaches a machine. Where no SDK is installed, binding does nothing.
    """

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._hub = Hub.of_process()
        self._consumer = LogConsumer(self._hub, provider)

    def bind(self, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Take a machine, its living children and those to come. Again: the same handle.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it is no machine in this process.
        """
        if not otel_logs.is_there():
            LOGGER.warning("this version of opentelemetry-api has no logs as they are known here")
            return Handle(machine.id, lambda handle: None)
        if is_deaf(self._provider or otel_logs.global_provider()):
            return Handle(machine.id, lambda handle: None)
        self._consumer.open()
        FLUSHER.prepare()
        return self._hub.attach(self._consumer, machine)

    def close(self) -> None:
        """Let go of all machines; then the provider flushes, five seconds at most. Again:
        nothing."""
        consumer = self._consumer
        consumer.is_closing = True
        try:
            self._hub.close(consumer)
        finally:
            consumer.is_closing = False
        flush = consumer.provider_flush(FLUSH)
        if flush is not None and consumer.was_used:
            FLUSHER.run(flush, FLUSH)
