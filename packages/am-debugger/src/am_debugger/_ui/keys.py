"""Every key and what it does: states added to the machine, with their arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

JUMP = 50


@dataclass(frozen=True, slots=True)
class Key:
    """Keys that do the same. `state` is added, or toggled if `is_toggle`; an `action` is one of
    the app's own, for what depends on where the focus is."""

    keys: tuple[str, ...]
    text: str
    state: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    is_toggle: bool = False
    action: str = ""

    @property
    def name(self) -> str:
        """The key as the table of keys has it."""
        return ", ".join(self.keys)


KEYS = (
    Key(("tab",), "next pane", "FocusNext"),
    Key(("shift+tab",), "previous pane", "FocusPrev"),
    Key(("space",), "play or pause", "ToggleTool", {"tool": "Playing"}),
    Key(("right",), "next transition, or step", action="forward"),
    Key(("left",), "previous transition, or step", action="back"),
    Key(("alt+right", "alt+l", "ctrl+right"), "jump forward", action="jump_forward"),
    Key(("alt+left", "alt+h", "ctrl+left"), "jump back", action="jump_back"),
    Key(("alt+k",), "next step", "UserFwdStep"),
    Key(("alt+j",), "previous step", "UserBackStep"),
    Key(("home",), "before the first transition", "SetCursor", {"number": 0}),
    Key(("end",), "last transition", action="end"),
    Key(("alt+v",), "tail mode", "TailMode", is_toggle=True),
    Key(("alt+m",), "next view", "NextView"),
    Key(("alt+r",), "rain", "ToolRain"),
    Key(("alt+o",), "log reader", "LogReaderEnabled", is_toggle=True),
    Key(("alt+g",), "to the buttons and back", action="buttons"),
    Key(("alt+s",), "export", "ExportDialog", is_toggle=True),
    Key(("question_mark",), "help", "HelpDialog", is_toggle=True),
    Key(("escape",), "close, or to the machines", action="escape"),
    Key(("ctrl+q",), "quit", action="quit"),
)
