"""The rain: a transition a row, a state a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.strip import Strip

from .colors import CELL
from .keys import bindings_of
from .rows import rain_columns, rain_row
from .virtual import VirtualList

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from .._core.debugger import Debugger
    from .._derive.folds import Fold
    from .._derive.steps import Parsed
    from .fitting import Row

    _Key = tuple[int, int, int, bool, bool, str]
    _Of = tuple[Parsed, Fold | None]

# Transitions whose rows are kept.
_MOST_MADE = 1000


class RainPane(VirtualList):
    """A transition a row, a state a column. `column` is the cell of the cursor's row that keys act
    on, None before the first of them was pressed."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("rain")]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="rain")
        self._debugger = debugger
        self.column: int | None = None
        # Rows as they were made last, and what of: a step changes two of them.
        self._made: dict[_Key, tuple[_Of, Row]] = {}

    def update_rows(self) -> None:
        """The cursor moved, or more came: its row is in the middle, in tail mode the last."""
        view = self._debugger.session.selected
        super().update_rows()
        if view is not None:
            self.cursor = max(view.visible.position(view.cursor) - 1, 0)
            self._center()
        self._tell_cell()

    def _center(self) -> None:
        height = self.size.height
        above = height - 1 if "TailMode" in self._debugger.machine else height // 2
        self.scroll_to(y=self.cursor - above, animate=False, force=True)

    def on_resize(self) -> None:
        """It was shown for the first time, or has another size: where the middle is was not known
        before."""
        self._center()

    def row_count(self) -> int:
        """Visible transitions."""
        view = self._debugger.session.selected
        return 0 if view is None else len(view.visible)

    def make_row(self, position: int) -> Row:
        """A transition."""
        session = self._debugger.session
        view = session.selected
        if view is None:
            return []
        client, number, width = view.client, view.visible.numbers[position], self.row_width
        is_current = number == view.cursor
        fold, parsed = view.visible.fold(number), session.parser.parse(client, number)
        chosen = view.state
        before = view.visible.numbers[position - 1] if position else 0
        has_lost = client.lost_between(before, number) > 0
        key = (client.serial, number, width, is_current, has_lost, chosen)
        made = self._made.get(key)
        # A transition that is worked out anew is another object.
        if made is None or made[0][0] is not parsed or made[0][1] != fold:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            row = rain_row(
                session,
                client,
                number,
                width,
                is_current=is_current,
                chosen=chosen,
                fold=fold,
                has_lost=has_lost,
            )
            made = self._made[key] = ((parsed, fold), row)
        return made[1]

    def line(self, y: int) -> Strip:
        """A visible row; that of the cursor shows the cell."""
        strip = super().line(y)
        column = self.column
        if column is None or not self.has_focus or not self._is_cursor(y):
            return strip
        cell = [Segment(text, self.ground + CELL) for text, *_ in strip.crop(column, column + 1)]
        return Strip.join([strip.crop(0, column), Strip(cell), strip.crop(column + 1)])

    def _is_cursor(self, y: int) -> bool:
        return self.scroll_offset.y + y == self.cursor < self.row_count()

    def show(self, position: int) -> None:
        """Put the cursor on a row; what its cell is may be another state there."""
        super().show(position)
        self._tell_cell()

    def action_column(self, by: int) -> None:
        """Go to a cell beside; the first time to that of the selected state."""
        view, names = self._debugger.session.selected, self._cells(self.cursor)
        if view is None or not names:
            return
        if self.column is None:
            self.column = names.index(view.state) if view.state in names else 0
        else:
            self.column = max(0, min(self.column + by, len(names) - 1))
        self._tell_cell()
        self.redraw()

    def _cells(self, position: int) -> tuple[str, ...]:
        """The states that have a cell in a row."""
        view = self._debugger.session.selected
        if view is None or position >= self.row_count():
            return ()
        number = view.visible.numbers[position]
        names = view.client.version_at(number).names
        return tuple(names[: rain_columns(view.client, number, self.row_width)])

    def _cell_state(self, position: int) -> str:
        """The state of the cell, empty if there is none."""
        names = self._cells(position)
        return names[self.column] if self.column is not None and self.column < len(names) else ""

    def _tell_cell(self) -> None:
        state = self._cell_state(self.cursor)
        self.entitle(f"Rain: {state}" if state else "Rain")

    def entered(self, position: int) -> None:
        """Go to a transition, and select the state of the cell; there, open what it stands for."""
        view, state = self._debugger.session.selected, self._cell_state(position)
        if view is None:
            return
        number = view.visible.numbers[position]
        is_there = number == view.cursor and state in ("", view.state)
        if is_there and view.visible.fold(number) is not None:
            self._debugger.machine.add("FoldToggled")
            return
        self._select(position, state)

    def on_click(self, event: events.Click) -> None:
        """Go to a transition, and select the state under the mouse."""
        event.prevent_default()
        offset = event.get_content_offset(self)
        if offset is None:
            return
        position, view = self.scroll_offset.y + offset.y, self._debugger.session.selected
        if view is not None and position < self.row_count():
            self.cursor = position
            # The number and the time stand where there is no room for more states.
            names = self._cells(position)
            is_state = offset.x < len(names)
            if is_state and self.column is not None:
                self.column = offset.x
            self._select(position, names[offset.x] if is_state else "")

    def _select(self, position: int, state: str) -> None:
        view = self._debugger.session.selected
        if view is not None:
            number = view.visible.numbers[position]
            self._debugger.machine.add("MatrixRainSelected", number=number, state=state)
