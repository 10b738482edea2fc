"""The palette of commands."""

from __future__ import annotations

from textual.await_complete import AwaitComplete
from textual.command import CommandPalette
from textual.widgets import OptionList


class Commands(CommandPalette):
    """Textual's palette, for quick hands.

    It has no id: one may open while that before it is still about to go.
    """

    def dismiss(self, result: None = None) -> AwaitComplete:
        """Close it, unless that was done already by a key or a click just before."""
        return super().dismiss(result) if self.is_current else AwaitComplete()

    def _action_command_list(self, action: str) -> None:
        # Until it is laid out there are no pages of commands to turn.
        if self.query_one(OptionList).scrollable_content_region:
            super()._action_command_list(action)
