"""A list of which only the visible rows are made."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from .colors import CURSOR, PLAIN
from .fitting import Row, cut
from .keys import bindings_of
from .lines import LineWidget
from .thumbs import move_thumb
from .typing_ahead import TypingAhead, letter_of

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType


class Strips:
    """Rows as they are drawn, kept: most of them are drawn again as they were."""

    _MOST = 4096

    def __init__(self) -> None:
        self._kept: dict[tuple[object, ...], Strip] = {}
        self._ground: Style | None = None

    def strip(
        self,
        row: Row,
        width: int,
        ground: Style,
        *,
        is_cursor: bool = False,
        rest: Style = PLAIN,
    ) -> Strip:
        """A row as wide as its pane, on the ground of the pane."""
        if ground is not self._ground or len(self._kept) >= self._MOST:
            self._kept.clear()
            self._ground = ground
        key = (*row, width, is_cursor, rest)
        found = self._kept.get(key)
        if found is None:
            found = strip_of(row, width, ground, is_cursor=is_cursor, rest=rest)
            self._kept[key] = found
        return found


def strip_of(
    row: Row,
    width: int,
    ground: Style = PLAIN,
    *,
    is_cursor: bool = False,
    rest: Style = PLAIN,
) -> Strip:
    """A row as wide as its pane, on a ground; what is too long ends in an ellipsis, what is left is
    of the style `rest`."""
    segments: list[Segment] = []
    left = width
    for k, (text, style) in enumerate(row):
        size = cell_len(text)
        is_cut = size > left or (size == left and _has_text(row, k + 1))
        if is_cut:
            text = cut(f"{text} ", left)  # a text that is longer than there is room
            size = cell_len(text)
        if text:
            shown = _under_cursor(style) if is_cursor else style
            segments.append(Segment(text, ground + shown))
        left -= size
        if left <= 0 or is_cut:
            break
    if left > 0:
        segments.append(Segment(" " * left, ground + (CURSOR if is_cursor else rest)))
    return Strip(segments, width)


def _has_text(row: Row, start: int) -> bool:
    return any([cell_len(text) for text, _ in row[start:]])


def _under_cursor(style: Style) -> Style:
    """A row under the cursor is of one color; faces stay."""
    return CURSOR + Style(bold=style.bold, italic=style.italic, underline=style.underline)


class VirtualList(LineWidget, ScrollView, can_focus=True):
    """Rows by position: `row_count` says how many there are, `make_row` makes one. `cursor` is the
    row that keys act on."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("lists")]

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self.cursor = 0
        self._strips = Strips()
        # While lines are compared, as with the room: the width of rows, and the first one visible.
        self._known_width: int | None = None
        self._known_top: int | None = None

    # ------------------------------------------------------------------ to be given

    def row_count(self) -> int:
        """How many rows there are."""
        return 0

    def make_row(self, position: int) -> Row:
        """One of them."""
        raise NotImplementedError

    def entered(self, position: int) -> None:
        """A row was chosen."""

    # ------------------------------------------------------------------ drawing

    @property
    def row_width(self) -> int:
        """Columns of a row, beside the scroll bar."""
        if self._known_width is not None:
            return self._known_width
        return self.scrollable_content_region.width

    def redraw(self) -> None:
        """Draw those rows that are not as they were."""
        self._known_width, self._known_top = self.row_width, self.scroll_offset.y
        try:
            super().redraw()
        finally:
            self._known_width = self._known_top = None

    def update_rows(self) -> None:
        """Rows may have come, gone or changed."""
        count = self.row_count()
        self._resize(Size(self.row_width, count))
        self.cursor = max(0, min(self.cursor, count - 1))
        self.refresh()

    def _resize(self, size: Size) -> None:
        """There are more or fewer rows. The screen is laid out anew only if the scroll bar comes or
        goes."""
        was, needs_bar = self.virtual_size, size.height > self.scrollable_content_region.height
        if needs_bar is not self.show_vertical_scrollbar:
            self.virtual_size = size
        elif size != was:
            # Textual declares no type of it, and so it seems to be a size, too.
            self.set_reactive(Widget.virtual_size, size)  # pyright: ignore[reportArgumentType]
            if needs_bar:
                move_thumb(self.vertical_scrollbar, rows=size.height)
            self.scroll_y = self.validate_scroll_y(self.scroll_y)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Other rows are visible."""
        if self.show_vertical_scrollbar:
            move_thumb(self.vertical_scrollbar, position=new_value)
        if round(old_value) != round(new_value):
            self.refresh(self.size.region)

    def line(self, y: int) -> Strip:
        """A visible row."""
        top = self.scroll_offset.y if self._known_top is None else self._known_top
        position = top + y
        if position >= self.row_count():
            return self.painted([])
        is_cursor = position == self.cursor and self.has_focus
        return self.painted(self.make_row(position), is_cursor=is_cursor)

    def painted(self, row: Row, *, is_cursor: bool = False) -> Strip:
        """A row on the ground of the pane."""
        return self._strips.strip(row, self.row_width, self.ground, is_cursor=is_cursor)

    # ------------------------------------------------------------------ keys and mouse

    def show(self, position: int) -> None:
        """Put the cursor on a row, and see that it is visible."""
        self.cursor = max(0, min(position, self.row_count() - 1))
        with self.held():
            self.scroll_to_row(self.cursor)
        self.redraw()

    def scroll_to_row(self, position: int) -> None:
        """See that a row is visible."""
        self.scroll_to_region(Region(0, position, 1, 1), animate=False, force=True)

    def action_cursor(self, by: int) -> None:
        """Move the cursor."""
        self.show(self.cursor + by)

    def action_page(self, by: int) -> None:
        """Move it by a page."""
        self.show(self.cursor + by * max(self.size.height - 1, 1))

    def action_enter(self) -> None:
        """Choose the row under the cursor."""
        if self.row_count():
            self.entered(self.cursor)

    def on_click(self, event: events.Click) -> None:
        """Choose the row under the mouse."""
        offset = event.get_content_offset(self)
        if offset is None:
            return  # the frame, with its title
        position = self.scroll_offset.y + offset.y
        if position < self.row_count():
            self.cursor = position
            self.entered(position)


class TypedList(VirtualList):
    """A list in which letters search, `j` and `k` too."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        self._typing = TypingAhead()

    def names(self) -> list[str]:
        """What is searched, row by row."""
        raise NotImplementedError

    def on_key(self, event: events.Key) -> None:
        """A letter goes on with the word that is typed."""
        letter = letter_of(event.key)
        if letter:
            event.stop()
            found = self._typing.typed(letter, time.monotonic(), self.names(), self.cursor)
            if found is not None:
                self.show(found)
