"""Metrics of machines through OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics as otel

from .._hub import Closing, Handle, Hub
from .._hub.flusher import FLUSHER
from .._hub.presence import is_deaf
from .consumer import MetricsConsumer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import am_machine as am


class Metrics(Closing):
    """Metrics of the machines bound to it and of their submachines.

    `provider` defaults to the global meter provider, which may be set up later. `label(machine)`
    names the series of a machine, by default its id; machines of one label are added up. At `level`
    0 machines are only read when somebody collects; at 1 their transitions are counted from a
    journal; at 2 tracers take details in every transition. `states` names states with series of
    their own (`"*"`: all). `sample` records histograms in 1 of so many slices of 20 ms; 1 means
    always, 0 never.

    Nothing of it reaches a machine. Where no SDK is installed, binding does nothing.

    :raises ValueError: for a level other than 0, 1, 2, a negative `sample`, or one at level 0.
    """

    def __init__(
        self,
        provider: otel.MeterProvider | None = None,
        *,
        label: Callable[[Any], str] | None = None,
        level: int = 1,
        states: Iterable[str] = (),
        sample: int = 0,
    ) -> None:
        if level not in (0, 1, 2):
            raise ValueError(f"level {level} is none of 0, 1, 2")
        if sample < 0 or (sample and not level):
            raise ValueError(f"a sample of 1 in {sample} slices at level {level}")
        self._provider = provider
        self._hub = Hub.of_process()
        self._consumer = MetricsConsumer(
            self._hub,
            provider,
            label=label,
            level=level,
            states=None if "*" in states else tuple(dict.fromkeys(states)),
            sample=sample,
        )

    def bind(self, machine: am.MachineApi | am.BaseMachine) -> Handle:
        """Take a machine, its living children and those to come. Again: the same handle.

        :raises RuntimeError: in a thread other than the machine's.
        :raises TypeError: if it is no machine in this process.
        """
        if is_deaf(self._provider or otel.get_meter_provider()):
            return Handle(machine.id, lambda handle: None)
        self._consumer.open()
        FLUSHER.prepare()
        return self._hub.attach(self._consumer, machine)

    def sync(self, seconds: float = 1.0) -> bool:
        """Wait until all was counted that machines did so far, so many seconds at most; whether it
        was."""
        return self._hub.sync(seconds)

    def close(self) -> None:
        """Let go of all machines; their series end. Takes at most a second. Again: nothing."""
        self._hub.close(self._consumer)
        self._consumer.shut()
