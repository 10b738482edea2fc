"""Panes that draw only those of their lines that changed.

Textual works out borders, padding, colors and filters of each line anew whenever it is drawn, and
again where it has only moved up by a row, as the lines of a log do. Here a line is *finished* once:
what is between the borders is made by the pane, and as long as it makes the same strip, the same
finished one is drawn, with the bytes for the terminal that it holds.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from textual.content import Content
from textual.geometry import Region, Size
from textual.strip import Strip
from textual.widget import Widget

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from rich.segment import Segment
    from rich.style import Style
    from textual.color import Color

# Finished lines that a pane keeps, of each of its lines: some screens full of the pane.
_FINISHED_SCREENS = 12


class _Frame(NamedTuple):
    """What is left and right of the lines of a pane of a size, and the columns between."""

    size: Size
    left: list[Segment]
    right: list[Segment]
    room: int


class LineWidget(Widget):
    """A pane of lines: `line` makes one, `redraw` draws those that are not as they were.

    Within `update_rows` what textual wants to draw of its own accord is held back, as where a title
    or the place that is scrolled to is another one.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        # The lines as they were drawn, by their place in the pane, and those made for drawing.
        self._drawn: dict[int, Strip] = {}
        self._fresh: dict[int, Strip] = {}
        # Which of the lines that were drawn have to be asked for again; None: all.
        self._stale: set[int] | None = None
        # Finished lines with what they were made of, by its identity.
        self._finished: dict[int, tuple[Strip, Strip]] = {}
        # The lines above and below, with the border.
        self._edges: dict[int, Strip] = {}
        self._frame: _Frame | None = None
        # The size for which the rows were made last, when it was another one.
        self._fitted: Size | None = None
        # The texts in the border, and those that were drawn.
        self._titles = self._drawn_titles = ("", "")
        self._is_held = False
        self._ground: Style | None = None
        self._background: Color | None = None
        # While lines are compared: working it out anew for each takes longer than comparing.
        self._known_room: Size | None = None

    # ------------------------------------------------------------------ to be given

    def line(self, y: int) -> Strip:
        """A visible line of the pane."""
        raise NotImplementedError

    def update_rows(self) -> None:
        """What is shown may have changed."""

    # ------------------------------------------------------------------ drawing

    def entitle(self, title: str, subtitle: str = "") -> None:
        """Put texts in the border, above and below, as they are: without markup."""
        if (title, subtitle) != self._titles:
            self._titles = (title, subtitle)
            self.border_title = Content(title)
            self.border_subtitle = Content(subtitle) if subtitle else None

    @property
    def room(self) -> Size:
        """Columns and lines between the borders."""
        return self.size if self._known_room is None else self._known_room

    @property
    def ground(self) -> Style:
        """What is drawn stands on this: the colors of the pane. They are worked out from all that
        is around it, so they are kept until styles change."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    def notify_style_update(self) -> None:
        """Styles are others, as where the theme is."""
        self._ground = self._background = None
        self._forget_looks()
        super().notify_style_update()

    def _forget_looks(self) -> None:
        """All lines look otherwise."""
        self._fresh.clear()
        self._finished.clear()
        self._edges.clear()
        self._frame = self._stale = None

    def render_line(self, y: int) -> Strip:
        """A line between the borders, as textual asks for it."""
        fresh = self._fresh.pop(y, None)
        strip = self._drawn[y] = self.line(y) if fresh is None else fresh
        return strip

    def render_lines(self, crop: Region) -> list[Strip]:
        """Lines with their borders, as textual asks for them: those that are not stale as they were
        drawn."""
        frame = self._framed()
        width, height = frame.size
        if self._stale is None:
            self._drawn.clear()
            self._edges.clear()
            self._stale = set()
        for y in self._stale:
            self._drawn.pop(y, None)
        self._stale.clear()
        gutter = self.styles.gutter
        top, last = gutter.top, height - gutter.bottom
        found = []
        for y in crop.line_range:
            if not top <= y < last:
                found.append(self._edge(y, width))
                continue
            strip = self._drawn.get(y - top)
            if strip is None:
                strip = self.render_line(y - top)
            found.append(self._finish(strip, frame))
        if crop.column_span != (0, width):
            found = [strip.crop(*crop.column_span) for strip in found]
        return found

    def _framed(self) -> _Frame:
        """The borders beside lines: those that textual draws."""
        frame, size = self._frame, self.region.size
        if frame is None or frame.size != size:
            if size != self._fitted:
                # It has room for the first time, or other room: what is drawn first is whole.
                self._fitted = size
                with self.held():
                    self.update_rows()
                self._drawn_titles = self._titles
            self._forget_looks()
            width, gutter = size.width, self.styles.gutter
            (whole,) = super().render_lines(Region(0, gutter.top, width, 1))
            left, right = whole.crop(0, gutter.left), whole.crop(width - gutter.right, width)
            frame = _Frame(size, list(left), list(right), width - gutter.left - gutter.right)
            self._frame = frame
        return frame

    def _edge(self, y: int, width: int) -> Strip:
        strip = self._edges.get(y)
        if strip is None:
            (strip,) = super().render_lines(Region(0, y, width, 1))
            self._edges[y] = strip
        return strip

    def _finish(self, strip: Strip, frame: _Frame) -> Strip:
        known = self._finished.get(id(strip))
        if known is not None and known[0] is strip:
            return known[1]
        segments = [*strip.adjust_cell_length(frame.room, self.ground)]
        if self._background is None:
            _, self._background = self.background_colors
        # Not by strips between: making those takes longer than what is done with them.
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, self._background)
        finished = Strip([*frame.left, *segments, *frame.right], frame.size.width)
        if len(self._finished) >= _FINISHED_SCREENS * frame.size.height:
            self._finished.clear()
        self._finished[id(strip)] = strip, finished
        return finished

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw anew; while rows are updated, later and only what changed."""
        is_whole = not regions or self.size.region in regions
        if self._is_held and repaint and is_whole and not (layout or recompose):
            return self
        if is_whole:
            self._fresh.clear()
            self._stale = None
        elif self._stale is not None:
            for region in regions:
                self._stale.update(region.line_range)
                if region.y < 0 or region.bottom > self.size.height:
                    self._edges.clear()
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self

    @contextmanager
    def held(self) -> Iterator[None]:
        """What textual wants to draw of its own accord is left to a `redraw` that follows."""
        was_held, self._is_held = self._is_held, True
        try:
            yield
        finally:
            self._is_held = was_held

    def update_changed(self) -> None:
        """Update the rows, and draw those lines that are not as they were."""
        if self._is_held:
            return
        with self.held():
            self.update_rows()
        self.redraw()

    def redraw(self) -> None:
        """Draw those lines that are not as they were."""
        self._known_room = self.size
        try:
            self._redraw(self._known_room)
        finally:
            self._known_room = None

    def _redraw(self, room: Size) -> None:
        width, height = room
        _, right, _, left = self.styles.gutter
        drawn, fresh = self._drawn, self._fresh
        fresh.clear()
        changed = []
        for y in range(height):
            strip, was = self.line(y), drawn.get(y)
            if was is not strip and was != strip:
                fresh[y] = strip
                # With the borders: a whole line need not be cut.
                changed.append(Region(-left, y, left + width + right, 1))
        if self._titles != self._drawn_titles and width:  # else there is nothing to draw them on
            self._drawn_titles = self._titles
            for y in (-1, height):
                changed.append(Region(-left, y, left + width + right, 1))
        if changed:
            self.refresh(*changed)
