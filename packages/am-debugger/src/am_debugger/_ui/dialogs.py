"""What opens over the panes: help, texts in full, and what asks for a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.widgets import Checkbox, Input, Static

from .._derive.text import inert
from . import colors
from .help_text import keys_table, legend_text
from .virtual import VirtualList

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from .._core.debugger import Debugger
    from .fitting import Row

CLOSES = "esc closes"
DEFAULT_NAME = "am-dbg-dump"
# Where there is no size yet.
_USUAL_WIDTH = 60
_NARROWEST = 8
# Rows of a frame.
_FRAME = 2


class HelpPanel(VerticalScroll):
    """What is shown means what, the table of keys, and the instance itself."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="help")
        self._debugger = debugger
        self.border_title = "Help"
        self.border_subtitle = CLOSES

    def compose(self) -> ComposeResult:
        """Legend left, keys right; one below the other where there is little room."""
        with Horizontal(id="help-texts"):
            with Vertical(id="help-left"):
                yield Static(legend_text(), markup=False)
                yield Static("", markup=False, id="help-about")
            yield Static(keys_table(), markup=False, id="help-keys")

    def opened(self) -> None:
        """It is shown: arrows scroll it."""
        about = "\n".join(self._debugger.about())
        self.query_one("#help-about", Static).update(about)
        self.focus()


class Overlay(VirtualList):
    """A text in full, wrapped; only its visible lines are made."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="overlay")
        self._debugger = debugger
        self._shown = ("", "", 0)
        self._lines: list[str] = []

    def opened(self) -> None:
        """It is shown."""
        self.cursor = 0
        self.focus()
        self.update_rows()

    def update_rows(self) -> None:
        """The text is another one, or there is other room for it."""
        title, text = self._debugger.overlay
        width = max(self.row_width or _USUAL_WIDTH, _NARROWEST)
        if self._shown != (title, text, width):
            self._shown = (title, text, width)
            self._lines = wrapped(text, width)
        self.entitle(inert(title), CLOSES)
        self.styles.height = min(len(self._lines) + _FRAME, self.app.size.height * 2 // 3)
        super().update_rows()

    def on_resize(self) -> None:
        """There is other room."""
        self.update_rows()

    def row_count(self) -> int:
        """Lines of the text."""
        return len(self._lines)

    def make_row(self, position: int) -> Row:
        """A line."""
        return [(inert(self._lines[position]), colors.PLAIN)]


class Check(Checkbox):
    """A box that is empty or crossed; textual tells the two by color alone."""

    BUTTON_LEFT = BUTTON_RIGHT = ""
    BUTTON_INNER = "[ ]"

    def watch_value(self) -> None:
        """It was switched."""
        self.BUTTON_INNER = "[x]" if self.value else "[ ]"
        super().watch_value()


class LinePanel(Vertical):
    """Asks for a line. The focus does not leave it by tab."""

    def __init__(self, debugger: Debugger, id: str, title: str = "") -> None:
        super().__init__(id=id)
        self._debugger = debugger
        self.border_title = title
        self.border_subtitle = CLOSES
        self.trap_focus()

    def opened(self) -> None:
        """It is shown: what is typed goes to the line."""
        self.query_one(Input).focus()


class ExportPanel(LinePanel):
    """A file name, and whether only this moment is written."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(debugger, "export", "Export a dump")

    def compose(self) -> ComposeResult:
        """The fields."""
        yield Static("enter writes, tab goes on", markup=False)
        yield Input(DEFAULT_NAME, placeholder="file name", id="export-name")
        yield Check("only this moment", id="export-moment")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Write it."""
        machine = self._debugger.machine
        only_moment = self.query_one(Checkbox).value
        if event.value.strip():
            machine.add("Exporting", path=event.value.strip(), only_moment=only_moment)
        machine.remove("ExportDialog")


class SearchPanel(LinePanel):
    """A text to look for."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(debugger, "search", "Search")

    def compose(self) -> ComposeResult:
        """The field."""
        yield Static("n and N go on from there", markup=False)
        yield Input(placeholder="text", id="search-text")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Look for it."""
        machine = self._debugger.machine
        if event.value:
            machine.add("Searched", text=event.value)
        machine.remove("SearchDialog")


class NotePanel(LinePanel):
    """A note for the transition under the cursor."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(debugger, "note", "Note on this moment")

    def compose(self) -> ComposeResult:
        """The field."""
        yield Static("dumps keep it, an empty one goes", markup=False)
        yield Input(placeholder="note", id="note-text")

    def opened(self) -> None:
        """It is shown, with the note that is there."""
        view, field = self._debugger.session.selected, self.query_one(Input)
        field.value = "" if view is None else view.client.notes.get(view.cursor, "")
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Put it there."""
        machine = self._debugger.machine
        machine.add("SetNote", text=event.value)
        machine.remove("NoteDialog")


def wrapped(text: str, width: int) -> list[str]:
    """Lines no wider than there is room; words are kept whole where that is possible."""
    found: list[str] = []
    for line in text.expandtabs().split("\n"):
        rest = line
        while len(rest) > width:
            cut = rest.rfind(" ", width // 2, width + 1)
            at = cut if cut > 0 else width
            found.append(rest[:at])
            rest = rest[at:].lstrip(" ") if cut > 0 else rest[at:]
        found.append(rest)
    return found
