"""The one tracer through which the hub hears of machines: quiet hooks only, which cost nothing in
transitions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

    from .hub import Hub


class HubTracer(am.Tracer):
    """Inherited by submachines, so the hub hears of these too."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def machine_init(self, machine: am.BaseMachine) -> None:
        """A submachine was made."""
        self._try(self._hub.machine_came, machine)

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        """The schema grew."""
        self._try(self._hub.machine_changed, machine, "schema_changed")

    def handlers_change(self, machine: am.BaseMachine) -> None:
        """Handlers were bound or detached."""
        self._try(self._hub.machine_changed, machine, "handlers_changed")

    def pipes_change(self, machine: am.BaseMachine) -> None:
        """Pipes came or went."""
        self._try(self._hub.machine_changed, machine, "pipes_changed")

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        """The machine is at its end."""
        self._try(self._hub.machine_ends, machine)

    def _try(self, fn: Callable[..., object], *args: Any) -> None:
        try:
            fn(*args)
        except Exception as exc:
            self._hub.guard.note(self, exc)
