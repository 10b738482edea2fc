"""What the hub asks of machines: to be done on their own stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .guard import Guard
    from .link import HubJournal, MachineLink


class Wishes:
    """Calls functions with a machine where that may be done. What they raise is counted."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def ask(self, link: MachineLink, fn: Callable[[am.BaseMachine], object]) -> None:
        """See `MachineLink.ask`."""
        machine = link.machine
        if machine is None:
            return
        try:
            machine.check_thread()
            is_here = machine.transition is None
        except RuntimeError:
            is_here = False
        if is_here:
            self._fulfil(machine, fn)
            return
        journal = link.journal
        if journal is not None:
            journal.wishes.append(fn)
            journal.poke()

    def fulfil(self, journal: HubJournal) -> None:
        """What was asked of a machine, on its stack."""
        machine = journal.link.machine
        while journal.wishes and machine is not None:
            self._fulfil(machine, journal.wishes.popleft())

    def _fulfil(self, machine: am.BaseMachine, fn: Callable[[am.BaseMachine], object]) -> None:
        try:
            fn(machine)
        except Exception as exc:
            self._guard.note(fn, exc)
