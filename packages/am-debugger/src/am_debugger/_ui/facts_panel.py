"""A page of facts over the panes; those that are about a place lead there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.text import inert
from . import colors
from .dialogs import CLOSES, wrapped
from .virtual import VirtualList

if TYPE_CHECKING:
    from .._core.debugger import Debugger
    from .._derive.reader import Fact
    from .fitting import Row

_USUAL_WIDTH = 60
_NARROWEST = 8
# Rows of a frame.
_FRAME = 2
_INDENT = 2


class FactsPanel(VirtualList):
    """What `Debugger.page` tells; enter goes where a fact leads, and selects the state that it is
    about."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="facts")
        self._debugger = debugger
        self._rows: list[tuple[str, Fact]] = []

    def opened(self) -> None:
        """It is shown."""
        self.cursor = 0
        self.focus()
        self.update_rows()

    def update_rows(self) -> None:
        """There are other facts, or other room for them."""
        title, facts = self._debugger.page()
        width = max(self.row_width or _USUAL_WIDTH, _NARROWEST)
        self._rows = [(line, fact) for fact in facts for line in _lines(fact.text, width)]
        self.entitle(inert(title), f"enter goes there, {CLOSES}")
        self.styles.height = min(len(self._rows) + _FRAME, self.app.size.height * 4 // 5)
        super().update_rows()

    def on_resize(self) -> None:
        """There is other room."""
        self.update_rows()

    def row_count(self) -> int:
        """Lines of all facts."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A line; of what leads somewhere it is underlined."""
        line, fact = self._rows[position]
        text = line.lstrip(" ")
        indent = " " * (len(line) - len(text))
        style = colors.PLAIN if fact.jump is None else colors.CALLED
        return [(indent, colors.PLAIN), (text, style)]

    def entered(self, position: int) -> None:
        """Go where a fact leads."""
        _, fact = self._rows[position]
        if fact.jump is None:
            return
        machine, (client, number) = self._debugger.machine, fact.jump
        machine.remove("FactsPage")
        if number is None:
            machine.add("SelectingClient", client=client.id)
        else:
            machine.add("ScrollToTx", client=client.id, number=number)
        if fact.about:
            machine.add("StateNameSelected", state=fact.about)


def _lines(text: str, width: int) -> list[str]:
    """A fact in lines no wider than there is room, the later ones further in."""
    bare = inert(text).lstrip(" ")
    indent = " " * min(len(text) - len(text.lstrip(" ")), width // 2)
    first, *rest = wrapped(bare, max(width - len(indent) - _INDENT, _NARROWEST // 2)) or [""]
    return [indent + first, *[indent + " " * _INDENT + line for line in rest]]
