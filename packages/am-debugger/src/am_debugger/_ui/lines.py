"""Panes that draw only those of their lines that changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region
from textual.widget import Widget

if TYPE_CHECKING:
    from typing import Self

    from rich.style import Style
    from textual.strip import Strip


class LineWidget(Widget):
    """A pane of lines: `line` makes one, `redraw` draws those that are not as they were.

    A whole `refresh` costs a hundred times what an unchanged line does, since borders, styles and
    filters are worked out for each line. Within `update_rows` it is held back, as is the one that
    comes with a new title.
    """

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id)
        # The lines as they were drawn, by their place in the pane, and those made for drawing.
        self._drawn: dict[int, Strip] = {}
        self._fresh: dict[int, Strip] = {}
        self._drawn_title: str | None = None
        self._is_held = False
        self._ground: Style | None = None

    # ------------------------------------------------------------------ to be given

    def line(self, y: int) -> Strip:
        """A visible line of the pane."""
        raise NotImplementedError

    def update_rows(self) -> None:
        """What is shown may have changed."""

    # ------------------------------------------------------------------ drawing

    @property
    def ground(self) -> Style:
        """What is drawn stands on this: the colors of the pane. They are worked out from all that
        is around it, so they are kept until styles change."""
        if self._ground is None:
            self._ground = self.rich_style
        return self._ground

    def notify_style_update(self) -> None:
        """Styles are others, as where the theme is."""
        self._ground = None
        self._fresh.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """A line, as textual asks for it."""
        fresh = self._fresh.pop(y, None)
        strip = self._drawn[y] = self.line(y) if fresh is None else fresh
        return strip

    def refresh(
        self,
        *regions: Region,
        repaint: bool = True,
        layout: bool = False,
        recompose: bool = False,
    ) -> Self:
        """Draw anew; while rows are updated, later and only what changed."""
        if self._is_held and repaint and not (regions or layout or recompose):
            return self
        if not regions:
            self._fresh.clear()
        super().refresh(*regions, repaint=repaint, layout=layout, recompose=recompose)
        return self

    def update_changed(self) -> None:
        """Update the rows, and draw those lines that are not as they were."""
        if self._is_held:
            return
        self._is_held = True
        try:
            self.update_rows()
        finally:
            self._is_held = False
        self.redraw()

    def redraw(self) -> None:
        """Draw those lines that are not as they were."""
        width, height = self.size
        drawn, fresh = self._drawn, self._fresh
        fresh.clear()
        changed = []
        for y in range(height):
            strip = self.line(y)
            if drawn.get(y) != strip:
                fresh[y] = strip
                changed.append(Region(0, y, width, 1))
        title = self.border_title
        if title != self._drawn_title and width:  # else there is nothing to draw it on
            self._drawn_title = title
            changed.append(Region(-1, -1, width + 2, 1))
        if changed:
            self.refresh(*changed)
