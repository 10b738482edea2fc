"""Disposal through states: functions run in order, and may wait."""

from __future__ import annotations

import inspect
from collections import deque
from typing import TYPE_CHECKING, Any

import am_machine as am

from ._names import implements

if TYPE_CHECKING:
    from collections.abc import Callable


class DisposedHandlers:
    """Handlers for the `Disposed` schema. Use one instance per machine: it stores the functions."""

    def __init__(self) -> None:
        self._disposers: deque[Callable[[Any], object]] = deque()

    def RegisterDisposalEnter(self, event: am.Event) -> bool:
        """Accept only a callable ``fn``; anything else adds an `am.ArgsError`, unless a check."""
        if callable(event.mutation.args.get("fn")):
            return True
        if not event.is_check:
            event.machine.add_err(am.ArgsError("RegisterDisposal needs a callable fn"))
        return False

    def RegisterDisposalState(self, event: am.Event) -> None:
        """Keep ``fn`` for disposal."""
        self._disposers.append(event.mutation.args["fn"])

    def DisposingState(self, event: am.Event) -> None:
        """Run the functions in order of registration, then add ``Disposed``.

        They run in a task of the machine, those registered meanwhile too. An error is added to the
        machine and the rest still runs. Leaving ``Disposing`` cancels the running one and skips the
        others. On a machine that is not open they run at once; what one of them returns to be
        awaited is an `am.NotOpenError` then.
        """
        machine = event.machine
        try:
            machine.fork(self._dispose, machine, state="Disposing")
        except am.NotOpenError as exc:
            self._dispose_unopened(machine, exc)

    async def _dispose(self, machine: Any) -> None:
        disposing = machine.state_ctx("Disposing")
        while self._disposers and not disposing.expired:
            try:
                outcome = self._disposers.popleft()(machine)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as exc:
                machine.add_err(exc)
        if not disposing.expired:  # a plain function may end it without a checkpoint
            machine.add("Disposed")

    def _dispose_unopened(self, machine: Any, not_open: am.NotOpenError) -> None:
        while self._disposers:
            try:
                outcome = self._disposers.popleft()(machine)
                if inspect.isawaitable(outcome):
                    close = getattr(outcome, "close", None)
                    if callable(close):
                        close()
                    raise not_open
            except Exception as exc:
                machine.add_err(exc)
        machine.add("Disposed")

    def DisposedState(self, event: am.Event) -> None:
        """Dispose the machine."""
        event.machine.dispose()


def dispose(mach: am.MachineApi) -> None:
    """Dispose a machine the way it prefers: through ``Disposing`` if it has that state.

    Returns at once; await ``mach.when_disposed()`` for the end of it.
    """
    if implements(mach, ("Disposing",)):
        mach.dispose()
    else:
        mach.add("Disposing")


def on_dispose(mach: am.MachineApi, fn: Callable[[Any], object]) -> None:
    """Have ``fn(machine)`` called on disposal.

    A machine with ``RegisterDisposal`` awaits what ``fn`` returns; any other only calls it.
    """
    if implements(mach, ("RegisterDisposal",)):
        mach.on_dispose(fn)
    else:
        mach.add("RegisterDisposal", fn=fn)
