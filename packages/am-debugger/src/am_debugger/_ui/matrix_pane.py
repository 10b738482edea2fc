"""The matrix: a transition as a square of states."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from textual.geometry import Region

from .._derive.matrix import Matrix, matrix_of
from .._derive.text import format_clock, inert
from . import colors
from .fitting import Row, cut
from .keys import bindings_of
from .virtual import VirtualList

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from .._core.debugger import Debugger

_NAME, _CELL = 18, 4
# Rows above the square: the numbers of states, which were called, and what each gained.
_HEAD = ("from", "called", "ticks")
_NUMBERS, _CALLED = 0, 1
_NOTHING = Matrix(frozenset(), {}, {})


class MatrixPane(VirtualList):
    """Called states, ticks gained, and below them a row for each target and a column for each
    source."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("matrix")]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="matrix")
        self._debugger = debugger
        self._names: tuple[str, ...] = ()
        self._matrix = _NOTHING
        self._x = 0
        # The selected state that was scrolled to.
        self._followed = ""

    def update_rows(self) -> None:
        """The transition or the selected state is another one."""
        session = self._debugger.session
        view, current = session.selected, session.current
        self._names, self._matrix, title = (), _NOTHING, "Matrix"
        chosen = None
        if view is not None and current is not None:
            self._names = view.client.version_at(view.cursor).names
            self._matrix = matrix_of(current)
            title = f"Matrix +{current.tx.gained} {format_clock(current.tx.time)}"
            chosen = self._newly_chosen(view.state)
            self._x = max(0, min(self._x, len(self._names) - 1))
            last = self._x + self._columns
            if last - self._x < len(self._names):
                title += f", {self._x} to {last - 1} of {len(self._names)} states"
        self.entitle(title)
        super().update_rows()
        if chosen is not None:
            self.cursor = len(_HEAD) + chosen
            self.scroll_to_row(self.cursor)

    def _newly_chosen(self, state: str) -> int | None:
        """The index of the selected state if it is another one than before; it has its column."""
        if state == self._followed:
            return None
        self._followed = state
        if state not in self._names:
            return None
        at, room = self._names.index(state), self._room
        if not self._x <= at < self._x + room:
            self._x = max(0, min(at - room // 2, len(self._names) - room))
        return at

    def scroll_to_row(self, position: int) -> None:
        """See that a row is visible, below the head."""
        rows = Region(0, max(position - len(_HEAD), 0), 1, len(_HEAD) + 1)
        self.scroll_to_region(rows, animate=False, force=True)

    def line(self, y: int) -> Strip:
        """A visible row; the head stays where it is."""
        if y < min(len(_HEAD), self.row_count()):
            return self.painted(self.make_row(y), is_cursor=self.has_focus and y == self.cursor)
        return super().line(y)

    def row_count(self) -> int:
        """The head, and a row for each state."""
        return len(_HEAD) + len(self._names) if self._names else 0

    def make_row(self, position: int) -> Row:
        """A row of the head or of the square."""
        view = self._debugger.session.selected
        chosen = -1
        if view is not None and view.state in self._names:
            chosen = self._names.index(view.state)
        target = position - len(_HEAD)
        name = inert(_HEAD[position] if target < 0 else self._names[target])
        number = "" if target < 0 else str(target)
        room = _NAME - 4
        shown = cut(name, room)
        style = self._style(target, -1, chosen)
        called = style + colors.CALLED if target in self._matrix.called else style
        row: Row = [(shown, called), (f"{'':<{room - cell_len(shown)}}{number:>4}", style)]
        for source in range(self._x, self._x + self._columns):
            value = self._value(position, target, source)
            zero = "·" if position > _CALLED else "0"
            style = self._style(target, source, chosen)
            if position == _NUMBERS or not value:
                style += colors.INACTIVE
            row.append((f"{value or zero:>{_CELL}}", style))
        return row

    @property
    def _room(self) -> int:
        return max((self.row_width - _NAME) // _CELL, 1)

    @property
    def _columns(self) -> int:
        return min(self._room, len(self._names) - self._x)

    def _value(self, position: int, target: int, source: int) -> int:
        if position == _NUMBERS:
            return source
        if position == _CALLED:
            return int(source in self._matrix.called)
        if target < 0:
            return self._matrix.gained.get(source, 0)
        return self._matrix.cells.get((target, source), 0)

    def _style(self, target: int, source: int, chosen: int) -> Style:
        """The row and the column of the selected state are shaded."""
        style = colors.PLAIN
        if chosen >= 0 and chosen in (target, source):
            style += colors.SHADED
        return style

    def entered(self, position: int) -> None:
        """Select the state of a row."""
        target = position - len(_HEAD)
        if target >= 0:
            self._debugger.machine.add("StateNameSelected", state=self._names[target])

    def on_click(self, event: events.Click) -> None:
        """Select the state of a row; in the head that of the column."""
        event.prevent_default()
        offset = event.get_content_offset(self)
        if offset is None:
            return
        source = self._x + (offset.x - _NAME) // _CELL
        if offset.y >= len(_HEAD):
            super().on_click(event)
        elif offset.x >= _NAME and source < len(self._names):
            self._debugger.machine.add("StateNameSelected", state=self._names[source])

    def action_sideways(self, by: int) -> None:
        """Scroll to the side."""
        self._x = max(0, min(self._x + by, len(self._names) - 1))
        self.redraw()
