"""Periodic health checks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, ref

import trio

import am_machine as am

from .._names import implements

if TYPE_CHECKING:
    from collections.abc import Callable

# How to stop the checks that a machine has.
_running: WeakKeyDictionary[am.MachineApi, Callable[[], object]] = WeakKeyDictionary()


def healthcheck(mach: am.MachineApi, every: float = 5.0) -> None:
    """Add ``Healthcheck`` each ``every`` seconds until the machine is disposed.

    Begins when the machine is open, now or later. Called again it begins anew with the new period.
    Does nothing for a machine without the state.
    """
    if every <= 0:
        raise ValueError("every must be above 0 seconds")
    if implements(mach, ("Healthcheck",)):
        return

    async def ping() -> None:
        while True:
            await trio.sleep(every)
            mach.add("Healthcheck")

    def begin() -> None:
        _running[mach] = mach.fork(ping).cancel

    stop = _running.pop(mach, None)
    if stop is not None:
        stop()
    try:
        begin()
    except am.NotOpenError:
        waiting = _WhenOpen(mach, begin)
        mach.bind_tracer(waiting)
        _running[mach] = partial(_detach, ref(waiting))  # weakly: it keeps the machine alive


def _detach(waiting: ref[_WhenOpen]) -> None:
    found = waiting()
    if found is not None:
        found.detach()


class _WhenOpen(am.Tracer):
    """Calls a function once, when its machine is opened."""

    def __init__(self, mach: am.MachineApi, fn: Callable[[], object]) -> None:
        self._mach = mach
        self._fn = fn

    def detach(self) -> None:
        """Call nothing any more."""
        self._mach.detach_tracer(self)

    def machine_open(self, machine: object) -> None:
        if machine is self._mach:
            self.detach()
            self._fn()
