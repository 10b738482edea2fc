"""What opens over the panes: help, and where to write a dump."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Vertical
from textual.widgets import Checkbox, Input, Static

from .keys import KEYS

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from .._core.debugger import Debugger

DEFAULT_NAME = "am-dbg-dump"


class HelpPanel(Static):
    """The table of keys."""

    def __init__(self) -> None:
        super().__init__(help_text(), id="help", markup=False)


class ExportPanel(Vertical):
    """A file name, and whether only this moment is written."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="export")
        self._debugger = debugger

    def compose(self) -> ComposeResult:
        """The fields."""
        yield Static("Write a dump; Enter writes, Escape closes", markup=False)
        yield Input(DEFAULT_NAME, placeholder="file name", id="export-name")
        yield Checkbox("only this moment", id="export-moment")

    def opened(self) -> None:
        """It is shown: what is typed goes to the name."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Write it."""
        machine = self._debugger.machine
        only_moment = self.query_one(Checkbox).value
        if event.value.strip():
            machine.add("Exporting", path=event.value.strip(), only_moment=only_moment)
        machine.remove("ExportDialog")


def help_text() -> str:
    """The table of keys."""
    width = max(len(key.name) for key in KEYS)
    return "\n".join([f"{key.name:<{width}}  {key.text}" for key in KEYS])
