"""Lines of machines, handed on."""

from __future__ import annotations

from functools import partial
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

import am_machine as am

from ..__about__ import __version__
from .._hub import Consumer
from .._hub.flusher import FLUSHER
from .._hub.hooks import HookTracer, hook
from . import otel_logs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._hub import Hub
    from .._hub.guard import Guard
    from .._hub.link import MachineLink

    Emit = Callable[[int, str, str, Mapping[str, Any]], None]

SCOPE = "asyncmachine"
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

    def __init__(self, guard: Guard, emit: Emit) -> None:
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


class LogConsumer(Consumer):
    """The lines of the machines bound."""

    level = 0

    def __init__(self, hub: Hub, provider: Any) -> None:
        self._hub = hub
        self._provider = provider
        self._emit: Emit | None = None
        self._tracers: dict[int, LineTracer] = {}
        self.is_closing = False
        """Whether somebody else has the provider flush."""

    @property
    def was_used(self) -> bool:
        """Whether a machine was bound."""
        return self._emit is not None

    def open(self) -> None:
        """Find the logger. Again: nothing."""
        if self._emit is None:
            self._emit = otel_logs.emitter(self._provider, SCOPE, __version__)

    def provider_flush(self, seconds: float) -> Callable[[], object] | None:
        """A function that has the provider flush; None if it cannot."""
        owner = self._provider or (otel_logs.global_provider() if otel_logs.is_there() else None)
        flush = getattr(owner, "force_flush", None)
        return None if flush is None else partial(flush, int(seconds * 1000))

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
        flush = None if self.is_closing else self.provider_flush(left)
        if flush is not None and self._emit is not None:
            FLUSHER.run(flush, left)

    def forked(self) -> None:
        """A child process: the hub tells of the machines again."""
        tracers, self._tracers = self._tracers, {}
        for tracer in tracers.values():
            tracer.is_retired = True
