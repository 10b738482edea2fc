"""Handlers that choose what diagrams show: buttons that go round."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.pictures import FOCUSES, Look
from .ports import Part
from .states import DIAG_GROUP, DIAG_TX, DIAGRAMS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import am_machine as am

    from .debugger import Debugger
    from .session import View

_GROUP_RULES = {"DiagGroupHide": "hide", "DiagGroupSkip": "skip"}


def look_of(machine: am.MachineApi, view: View | None) -> Look:
    """What diagrams show, by the states that are active; detail 0: there are none."""
    detail = machine.switch(*DIAGRAMS)
    focus = machine.switch(*DIAG_TX)
    rule = machine.switch(*DIAG_GROUP)
    return Look(
        DIAGRAMS.index(detail) + 1 if detail else 0,
        FOCUSES[DIAG_TX.index(focus) + 1] if focus else "",
        view.group if view is not None else "",
        _GROUP_RULES[rule] if rule else "",
    )


class DrawingHandlers:
    """What diagrams show."""

    def __init__(self, core: Debugger) -> None:
        self._core = core

    def ToolDiagramsState(self, event: am.Event) -> None:
        """None, then each detail."""
        self._next(event.machine, DIAGRAMS, "ToolDiagrams")

    def ToolDiagTxState(self, event: am.Event) -> None:
        """Nothing stands out, then more and more."""
        self._next(event.machine, DIAG_TX, "ToolDiagTx")

    def ToolDiagGroupState(self, event: am.Event) -> None:
        """Groups as they are, hidden, skipped."""
        self._next(event.machine, DIAG_GROUP, "ToolDiagGroup")

    def _next(self, machine: am.Machine, group: Sequence[str], tool: str) -> None:
        """The next state of a group; after the last one none."""
        current = machine.switch(*group)
        if current is None:
            machine.add(group[0])
        elif current == group[-1]:
            machine.remove(current)
        else:
            machine.add(group[group.index(current) + 1])
        self._core.ui.invalidate(Part.TOOLBARS)
        machine.remove(tool)
