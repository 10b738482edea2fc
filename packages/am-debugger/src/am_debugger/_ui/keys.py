"""Every key and what it does: states added to the machine, with their arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Key:
    """Keys that do the same. `state` is added; what that has opened closes if it is asked for
    again. An `action` is one of the app's own, for what depends on where the focus is, or of the
    pane that has the key."""

    keys: tuple[str, ...]
    text: str
    state: str = ""
    args: Mapping[str, Any] = field(default_factory=dict)
    action: str = ""


KEYS = (
    Key(("tab",), "next pane", "FocusNext"),
    Key(("shift+tab",), "previous pane", "FocusPrev"),
    Key(("space",), "play or pause", "ToggleTool", {"tool": "Playing"}),
    Key(("right",), "next transition, or step", action="forward"),
    Key(("left",), "previous transition, or step", action="back"),
    Key(("alt+right", "alt+l", "ctrl+right"), "jump forward", "UserJump", {"forward": True}),
    Key(("alt+left", "alt+h", "ctrl+left"), "jump back", "UserJump", {"forward": False}),
    Key(("alt+k",), "next step", "UserFwdStep"),
    Key(("alt+j",), "previous step", "UserBackStep"),
    Key(("home",), "before the first transition", "SetCursor", {"number": 0}),
    Key(("end",), "last transition", "SetCursor", {"number": 1 << 40}),
    Key(("alt+v",), "tail mode", "ToggleTool", {"tool": "TailMode"}),
    Key(("alt+m",), "next view", "NextView"),
    Key(("alt+r",), "rain", "ToolRain"),
    Key(("alt+o",), "log reader", "ToolReader"),
    Key(("alt+g",), "to the buttons and back", action="buttons"),
    Key(("alt+e",), "open or close all nodes of the tree", "AllToggled"),
    Key(("alt+u",), "open or fold quiet transitions here", "FoldToggled"),
    Key(("alt+w",), "why the selected state is active, or not", "Why"),
    Key(("alt+a",), "what all machines wait for", "Pending"),
    Key(("alt+t",), "where time and transitions went", "Profile"),
    Key(("exclamation_mark",), "what looks wrong in all machines", "Lints"),
    Key(("alt+i",), "detail of the machine: mute, journal, everything", "NextDetail"),
    Key(("alt+c",), "a note on this moment", "NoteDialog"),
    Key(("alt+s",), "export", "ExportDialog"),
    Key(("slash",), "find by a query; in the reader a text", action="search"),
    Key(("f3",), "next found", "Searched", {"forward": True}),
    Key(("shift+f3",), "previous found", "Searched", {"forward": False}),
    Key(("alt+q",), "what is shown, as a query", "QueryDialog", {"is_filter": True}),
    Key(("ctrl+l",), "draw the screen anew", "Redraw"),
    Key(("question_mark",), "help", "HelpDialog"),
    Key(("escape",), "close, or to the machines", action="escape"),
    Key(("ctrl+q",), "quit", action="quit"),
)
"""Keys that work everywhere; a pane may have arrows of its own."""

_LIST = (
    Key(("up",), "up", action="cursor(-1)"),
    Key(("down",), "down", action="cursor(1)"),
    Key(("pageup", "alt+p"), "page up", action="page(-1)"),
    Key(("pagedown", "alt+n"), "page down", action="page(1)"),
    Key(("enter",), "choose, open, close, follow", action="enter"),
)
_SEARCH = (
    Key(("n",), "next found", action="search(True)"),
    Key(("N",), "previous found", action="search(False)"),
)
_MOVE = (
    Key(("j",), "down", action="cursor(1)"),
    Key(("k",), "up", action="cursor(-1)"),
)

PANE_KEYS: Mapping[str, tuple[Key, ...]] = {
    "lists": _LIST,
    "machines": (Key(("backspace", "alt+d"), "forget the machine", action="forget"),),
    "log": (
        Key(("up", "k"), "scroll up", action="scroll(-1)"),
        Key(("down", "j"), "scroll down", action="scroll(1)"),
        Key(("pageup", "alt+p"), "page up", action="page(-1)"),
        Key(("pagedown", "alt+n"), "page down", action="page(1)"),
        Key(("left",), "scroll left", action="sideways(-8)"),
        Key(("right",), "scroll right", action="sideways(8)"),
        Key(("enter",), "open or fold quiet transitions", action="fold"),
        *_SEARCH,
    ),
    "reader": (*_MOVE, *_SEARCH),
    "rain": (
        *_MOVE,
        Key(("h",), "cell to the left", action="column(-1)"),
        Key(("l",), "cell to the right", action="column(1)"),
    ),
    "matrix": (
        *_MOVE,
        Key(("left",), "scroll left", action="sideways(-1)"),
        Key(("right",), "scroll right", action="sideways(1)"),
    ),
    "address": (
        Key(("left",), "place before", action="go('GoBack')"),
        Key(("right",), "place after", action="go('GoFwd')"),
        Key(("enter",), "copy the address", action="copy"),
    ),
    "groups": (
        Key(("left",), "previous group", action="choose(-1)"),
        Key(("right",), "next group", action="choose(1)"),
        Key(("enter", "down"), "list of groups", action="open"),
    ),
    "buttons": (
        Key(("left",), "previous button", action="move(-1)"),
        Key(("right",), "next button", action="move(1)"),
        Key(("enter",), "press", action="press"),
    ),
}
"""Keys of panes, by where they work. In the machines and the schema letters search."""


def bindings_of(where: str) -> list[Binding]:
    """The keys of a pane as textual takes them."""
    return [
        Binding(",".join(key.keys), key.action, key.text, show=False) for key in PANE_KEYS[where]
    ]
