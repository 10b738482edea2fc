"""Tracers of level 2: bound to one machine, and never a burden to it."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

import am_machine as am

from .guard import MOST_IN_A_ROW

if TYPE_CHECKING:
    from collections.abc import Callable

    from .guard import Guard
    from .link import MachineLink


class HookTracer(am.Tracer):
    """Base of tracers of one machine whose hooks may fail, or may no longer be wanted.

    Hooks are marked by `hook`. What one raises is counted and logged once per kind; after ten in a
    row of one hook the tracer goes, as it does in its next hook after `retire`.
    """

    inheritable = False

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        # By hook, how often it failed in a row: what others do says nothing of it.
        self.failures: dict[str, int] = {}
        self.is_retired = False

    def retire(self, link: MachineLink) -> None:
        """Take the tracer off: soon where the machine has a journal, else in its next hook. In any
        thread."""
        self.is_retired = True
        link.ask(self._leave)

    def let_go(self) -> None:
        """The tracer is taken off, maybe in the middle of a transition."""

    def _leave(self, machine: am.BaseMachine) -> None:
        self.let_go()
        machine.detach_tracer(self)


def hook(fn: Callable[..., None]) -> Any:
    """Mark a method of a `HookTracer` that machines call."""
    name = fn.__name__

    @wraps(fn)
    def guarded(self: HookTracer, subject: Any, *args: Any) -> None:
        if self.is_retired:
            machine = subject if isinstance(subject, am.BaseMachine) else subject.machine
            self.let_go()
            machine.detach_tracer(self)
            return
        try:
            fn(self, subject, *args)
        except Exception as exc:
            count = self.failures[name] = self.failures.get(name, 0) + 1
            self.is_retired = count >= MOST_IN_A_ROW
            self.guard.note(self, exc)
        else:
            if self.failures:
                self.failures.pop(name, None)

    return guarded
