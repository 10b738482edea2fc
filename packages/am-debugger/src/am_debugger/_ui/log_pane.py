"""The log around the transition under the cursor; only the lines that fit are made."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .._core.reading import LEVELS
from .._derive.text import inert
from . import colors
from .keys import bindings_of
from .lines import LineWidget
from .log_rows import LogRow, LogStyle, log_rows, not_kept, state_at, with_current
from .virtual import Strips

if TYPE_CHECKING:
    from rich.style import Style
    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from .._core.debugger import Debugger
    from .._core.session import View
    from .._derive.folds import Fold
    from .._derive.steps import Parsed
    from .fitting import Row

    _Key = tuple[int, int, int | None, LogStyle]
    _Of = tuple[Parsed, int, str | None, Fold | None]
    _How = tuple[bool, int, int, Style]

JOURNAL_ONLY = "journal only - alt+i"
"""What panes say that miss what is sent only at the level everything."""
_WHEEL = 3
# Lines above this level are sent only if a machine tells everything.
_MADE_UP = 2
# A transition has a few lines at most; no machine makes the log go through all of its own.
_MOST_EMPTY = 2000

# Transitions whose rows are kept.
_MOST_MADE = 1000


class LogPane(LineWidget, can_focus=True):
    """Lines around the transition under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("log")]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="log")
        self._debugger = debugger
        self._rows: list[LogRow] = []
        self._strips = Strips()
        # The rows of transitions as they were made last, and what of.
        self._made: dict[_Key, tuple[_Of, list[LogRow]]] = {}
        # Rows as they were drawn last, by their identity, and how.
        self._painted: dict[int, tuple[LogRow, _How, Strip]] = {}
        # Rows scrolled away from where the cursor's are, and columns to the right.
        self._shift = 0
        self._x = 0

    def update_rows(self) -> None:
        """The cursor moved, or more came."""
        if "LogUserScrolled" not in self._debugger.machine:
            self._shift = 0
        self._rows = self._around()
        level = self._debugger.session.log_level
        self.entitle(f"Log {level}: {LEVELS[level]}", self._subtitle())
        self.refresh()

    def _subtitle(self) -> str:
        """What is missing, and what is left out on purpose."""
        session, wishes = self._debugger.session, self._debugger.wishes
        told, view, narrowing = [], session.selected, session.narrowing
        if session.log_level > _MADE_UP and view is not None:
            detail = wishes.detail_of(view.client)
            if detail is not None and detail < _MADE_UP:
                told.append(JOURNAL_ONLY)
        if narrowing is not None:
            told.append(inert(narrowing.text))
        return " | ".join(told)

    def _style(self) -> LogStyle:
        machine, session = self._debugger.machine, self._debugger.session
        return LogStyle(
            session.log_level,
            self.size.width if "LogWrap" in machine else 0,
            "LogTimestamps" in machine,
            "FilterTraces" in machine,
            session.query.word if session.query and "SearchShown" in machine else "",
            "" if session.selected is None else session.selected.state,
        )

    def _around(self) -> list[LogRow]:
        """As many rows as fit, those of the cursor's transition at two thirds of the height, or
        further down where the log ends; scrolled from there as far as there are rows."""
        height, view = self.size.height, self._debugger.session.selected
        if view is None or height <= 0:
            return []
        at, how = view.visible.position(view.cursor), self._style()
        # So many rows are above the end of the cursor's transition where nothing is scrolled.
        lead = height * 2 // 3
        missing = lead - len(self._above(view, at, lead, how))
        below = self._below(view, at, height - lead + max(missing, self._shift, 0), how)
        lead = max(lead, height - len(below))
        # However far it is scrolled beyond the end, so many are needed to fill the pane.
        above = self._above(view, at, max(lead - self._shift, height - len(below)), how)
        wanted = len(above) - lead + self._shift
        start = max(0, min(wanted, len(above) + len(below) - height))
        # What cannot be scrolled to is not gone back from.
        self._shift += start - wanted
        return [*above, *below][start : start + height]

    def _above(self, view: View, at: int, reach: int, how: LogStyle) -> list[LogRow]:
        pieces: list[list[LogRow]] = []
        count, k = 0, at - 1
        while k >= 0 and count < reach and at - k < _MOST_EMPTY:
            pieces.append(self._rows_of(view, k, how))
            count += len(pieces[-1])
            k -= 1
        if k < 0 and count < reach:
            pieces.append(not_kept(view.client))
        return [row for piece in reversed(pieces) for row in piece]

    def _below(self, view: View, at: int, reach: int, how: LogStyle) -> list[LogRow]:
        found: list[LogRow] = []
        k = at
        while k < len(view.visible) and len(found) < reach and k - at < _MOST_EMPTY:
            found += self._rows_of(view, k, how)
            k += 1
        return found

    def _rows_of(self, view: View, k: int, how: LogStyle) -> list[LogRow]:
        session, client, numbers = self._debugger.session, view.client, view.visible.numbers
        number, before = numbers[k], numbers[k - 1] if k else None
        # What the rows are made of; a transition that is worked out anew is another object.
        parsed = session.parser.parse(client, number)
        fold = view.visible.fold(number)
        of = (parsed, client.outer_log.revision, client.notes.get(number), fold)
        key = (client.serial, number, before, how)
        made = self._made.get(key)
        if made is None or made[0][0] is not parsed or made[0][1:] != of[1:]:
            if len(self._made) >= _MOST_MADE:
                self._made.clear()
            made = self._made[key] = (of, log_rows(session, client, number, before, how, fold))
        if number != view.cursor or fold is not None:
            return made[1]
        return with_current(session, client, number, how, made[1])

    def line(self, y: int) -> Strip:
        """A visible row; those of the cursor's transition are highlighted."""
        width, ground = self.room.width, self.ground
        if y >= len(self._rows):
            return self._strips.strip([], width, ground)
        shown = self._rows[y]
        view = self._debugger.session.selected
        is_current = view is not None and shown.number == view.cursor
        how = (is_current, self._x, width, ground)
        known = self._painted.get(id(shown))
        if known is not None and known[0] is shown and known[1] == how:
            return known[2]
        mark, *texts = shown.row
        if is_current:
            texts = [(text, style + colors.CURRENT) for text, style in texts]
        if self._x:
            texts = _from(texts, self._x)
        rest = colors.CURRENT if is_current else colors.PLAIN
        strip = self._strips.strip([mark, *texts], width, ground, rest=rest)
        if len(self._painted) >= _MOST_MADE:
            self._painted.clear()
        self._painted[id(shown)] = shown, how, strip
        return strip

    def on_resize(self) -> None:
        """Other rows fit."""
        self.update_rows()

    # ------------------------------------------------------------------ keys and mouse

    def action_scroll(self, by: int) -> None:
        """Scroll, and leave what follows the cursor."""
        machine = self._debugger.machine
        machine.add("LogFocused")
        machine.add("LogUserScrolled")
        self._shift += by
        self.update_changed()

    def action_page(self, by: int) -> None:
        """Scroll by a page."""
        self.action_scroll(by * max(self.size.height - 1, 1))

    def action_sideways(self, by: int) -> None:
        """Scroll to the side."""
        self._x = max(self._x + by, 0)
        self.redraw()

    def action_search(self, forward: bool) -> None:
        """To where the text is found next, or before."""
        self._debugger.machine.add("Searched", forward=forward)

    def action_fold(self) -> None:
        """Open what is folded under the cursor, or fold it again."""
        self._debugger.machine.add("FoldToggled")

    def on_mouse_scroll_up(self) -> None:
        """Scroll back."""
        self.action_scroll(-_WHEEL)

    def on_mouse_scroll_down(self) -> None:
        """Scroll on."""
        self.action_scroll(_WHEEL)

    def on_click(self, event: events.Click) -> None:
        """Go to the transition of the row; of a change, select the state."""
        offset = event.get_content_offset(self)
        view, machine = self._debugger.session.selected, self._debugger.machine
        if offset is None or offset.y >= len(self._rows) or view is None:
            return
        shown = self._rows[offset.y]
        if shown.number == view.cursor and view.visible.fold(view.cursor) is not None:
            machine.add("FoldToggled")
            return
        machine.add("SetCursor", number=shown.number)
        if shown.line is not None:
            names = frozenset(view.client.version_at(shown.number).names)
            state = state_at(shown.line, offset.x - 1 + self._x, names)
            if state:
                machine.add("StateNameSelected", state=state)


def _from(texts: Row, x: int) -> Row:
    """Texts without their first columns."""
    found: Row = []
    for text, style in texts:
        found.append((text[x:], style))
        x = max(x - len(text), 0)
    return found
