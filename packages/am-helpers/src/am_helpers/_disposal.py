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

    async def DisposingState(self, event: am.Event) -> None:
        """Run the functions in order of registration, then add ``Disposed``.

        Those registered meanwhile run too. An error is added to the machine and the rest still
        runs. Leaving ``Disposing`` cancels the running one and skips the others.
        """
        machine = event.machine
        disposing = machine.state_ctx(
            "Disposing"
        )  # a plain function may end it without a checkpoint
        while self._disposers and not disposing.expired:
            disposer = self._disposers.popleft()
            try:
                outcome = disposer(machine)
                if inspect.isawaitable(outcome):
                    await outcome
            except Exception as exc:
                machine.add_err(exc)
        if not disposing.expired:
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
