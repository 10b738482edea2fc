"""Lines of machines as records of OpenTelemetry."""

from __future__ import annotations

import logging
from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any, Self

import am_machine as am

from ..__about__ import __version__
from .._hub import Consumer, Handle, Hub
from .._hub.flusher import FLUSHER
from .._hub.hooks import HookTracer, hook
from .._hub.presence import is_deaf
from . import otel_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._hub.guard import Guard
    from .._hub.link import MachineLink

LOGGER = logging.getLogger("am_telemetry")
SCOPE = "asyncmachine"
FLUSH = 5.0
"""Seconds that a provider may take to flush when a bridge is closed."""
ERROR = "[error"
"""Lines that tell of an error begin with this, whatever their level."""
SEVERITIES = {
    am.LogLevel.EXTERNAL: "INFO4",
    am.LogLevel.CHANGES: "INFO",
    am.LogLevel.OPS: "DEBUG4",
    am.LogLevel.DECISIONS: "DEBUG",
    am.LogLevel.EVERYTHING: "TRACE",
}


def severity_of(level: am.LogLevel, text: str) -> str:
    """Return the severity that OpenTelemetry has for a line."""
    return "ERROR" if text.startswith(ERROR) else SEVERITIES.get(level, "INFO")


class LineTracer(HookTracer):
    """Hands on the lines of a machine."""

    def __init__(
        self, guard: Guard, emit: Callable[[int, str, str, Mapping[str, Any]], None]
    ) -> None:
        super().__init__(guard)
        self._emit = emit
        self._is_emitting = False

    @hook
    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        """A line was emitted."""
        # What exporting it sets off must not be exported in turn, for ever.
        if self._is_emitting:
            return
        attributes: dict[str, Any] = {"am.machine.id": machine.id, "am.log.level": level.name}
        transition = machine.transition
        if transition is not None:
            attributes["am.tx.id"] = transition.id
        self._is_emitting = True
        try:
            self._emit(time_ns(), severity_of(level, text), text, attributes)
        finally:
            self._is_emitting = False


class LogBridge(Consumer):
    """Sends the lines that machines emit, those of their submachines too, through OpenTelemetry.

    `provider` defaults to the global logger provider, which may be set up later. What a machine
    emits depends on its `log_level`, which stays as it is.

    Nothing of it reaches a machine. Where no SDK is installed, binding does nothing.
    """

    level = 0

    def __init__(self, provider: Any = None) -> None:
        self._provider = provider
        self._tracers: dict[int, LineTracer] = {}
        self._emit: Callable[[int, str, str, Mapping[str, Any]], None] | None = None
        self._is_closing = False
        self._hub = Hub.of_process()

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
        if self._emit is None:
            self._emit = otel_logs.emitter(self._provider, SCOPE, __version__)
        FLUSHER.prepare()
        return self._hub.attach(self, machine)

    def close(self) -> None:
        """Let go of all machines; then the provider flushes, five seconds at most. Again:
        nothing."""
        was_bound = bool(self._tracers)
        self._is_closing = True
        try:
            self._hub.close(self)
        finally:
            self._is_closing = False
        flush = self._provider_flush(FLUSH)
        if flush is not None and was_bound:
            FLUSHER.run(flush, FLUSH)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _provider_flush(self, seconds: float) -> Callable[[], object] | None:
        owner = self._provider or (otel_logs.global_provider() if otel_logs.is_there() else None)
        flush = getattr(owner, "force_flush", None)
        return None if flush is None else partial(flush, int(seconds * 1000))

    # ------------------------------------------------------------------ for the hub

    def bound(self, link: MachineLink) -> None:
        """A machine came."""
        machine = link.machine
        if machine is None or self._emit is None or link.number in self._tracers:
            return
        tracer = self._tracers[link.number] = LineTracer(self._hub.guard, self._emit)
        machine.bind_tracer(tracer)

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine is gone, or let go of."""
        tracer = self._tracers.pop(link.number, None)
        if tracer is not None:
            tracer.retire(link)

    def flush(self, deadline: float) -> None:
        """The provider exports what it holds."""
        left = deadline - monotonic()
        flush = None if self._is_closing else self._provider_flush(left)
        if flush is not None and self._emit is not None:
            FLUSHER.run(flush, left)

    def forked(self) -> None:
        """A child process: the hub tells of the machines again."""
        tracers, self._tracers = self._tracers, {}
        for tracer in tracers.values():
            tracer.is_retired = True
