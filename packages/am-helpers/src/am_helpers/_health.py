"""Periodic health checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

import am_machine as am

from ._names import implements

if TYPE_CHECKING:
    from collections.abc import Callable


def healthcheck(mach: am.MachineApi, every: float = 5.0) -> None:
    """Add ``Healthcheck`` each ``every`` seconds until the machine is disposed.

    Begins when the machine is open, now or later. Does nothing for a machine without the state.
    """
    if every <= 0:
        raise ValueError("every must be above 0 seconds")
    if implements(mach, ("Healthcheck",)):
        return

    async def ping() -> None:
        while True:
            await trio.sleep(every)
            mach.add("Healthcheck")

    try:
        mach.fork(ping)
    except am.NotOpenError:
        mach.bind_tracer(_WhenOpen(mach, lambda: mach.fork(ping)))


class _WhenOpen(am.Tracer):
    """Calls a function once, when its machine is opened."""

    def __init__(self, mach: object, fn: Callable[[], object]) -> None:
        self._mach = mach
        self._fn = fn

    def machine_open(self, machine: am.BaseMachine) -> None:
        if machine is self._mach:
            machine.detach_tracer(self)
            self._fn()
