"""Handlers that users may add to a supervisor, worker or client by deriving from it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import am_machine as am


def bind_own_handlers(mach: am.MachineApi, actor: object) -> None:
    """Bind an actor's methods that are named like handlers; most actors have none.

    :raises HandlerError: if such a method fits no state.
    """
    methods = inspect.getmembers_static(type(actor), inspect.isroutine)
    if any(name[:1].isupper() for name, _ in methods):
        mach.bind(actor)
