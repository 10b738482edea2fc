"""The panes that list something: machines, states, log, facts, rain."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.strip import Strip
from textual.widget import Widget

from .._derive.moment import label, ordered
from .._derive.reader import Fact, facts
from .._files.inspect import inert
from . import colors
from .rows import client_row, log_rows, rain_row, state_style
from .virtual import Row, VirtualList, strip_of

if TYPE_CHECKING:
    from textual import events
    from textual.binding import BindingType

    from .._core.debugger import Debugger
    from .._derive.log_lines import Line
    from .._store.client import Client

_RELATIONS = ("require", "add", "remove", "after")
LOG_LEVEL = 2


class ClientList(VirtualList):
    """All machines as a tree, at the moment."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="clients")
        self._debugger = debugger
        self._rows: list[tuple[Client, int]] = []
        self._ordered: list[tuple[Client, int]] = []
        self._revision = -1

    def update_rows(self) -> None:
        """Machines came or went, or the moment is another one."""
        machine, session = self._debugger.machine, self._debugger.session
        if self._revision != session.store.revision:
            self._revision = session.store.revision
            self._ordered = ordered(session.store)
        hides_gone = "FilterDisconn" in machine
        hides_rpc = "FilterRpcMachs" in machine
        self._rows = [
            (client, depth)
            for client, depth in self._ordered
            if (client.is_connected or not hides_gone)
            and not (hides_rpc and any(tag.startswith("rpc") for tag in client.tags))
        ]
        total = session.store.time_sum_at(session.shown_moment)
        self.border_title = f"Machines:{len(session.store)} T:t{total:_}"
        super().update_rows()

    def row_count(self) -> int:
        """Machines listed."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A machine."""
        client, depth = self._rows[position]
        session = self._debugger.session
        selected = session.selected
        is_selected = selected is not None and selected.client is client
        told = label(client, session.shown_moment, depth)
        return client_row(told, self.row_width, is_selected=is_selected)

    def entered(self, position: int) -> None:
        """Select a machine."""
        client, _ = self._rows[position]
        self._debugger.machine.add("SelectingClient", client=client.id)

    def at_cursor(self) -> str | None:
        """The machine under the cursor."""
        return self._rows[self.cursor][0].id if self._rows else None


class SchemaTree(VirtualList):
    """The states of the selected machine with their ticks; below each, what it relates to."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="schema")
        self._debugger = debugger
        self._rows: list[tuple[str, str]] = []
        self._open: set[str] = set()
        self._clock: dict[str, int] = {}
        self._touched: dict[str, str] = {}

    def update_rows(self) -> None:
        """The machine, its group or the cursor changed."""
        session = self._debugger.session
        view = session.selected
        self._rows, self._clock = [], {}
        if view is not None:
            client = view.client
            version = client.version_at(max(view.cursor, client.first))
            self._clock = dict(zip(version.names, session.clock, strict=False))
            self._mark(version.names)
            members = view.members
            for name in version.names:
                if members is None or name in members:
                    self._rows.append((name, ""))
                    self._rows += [(name, text) for text in self._details(client, name)]
            group = f" Group {inert(view.group)}" if view.group else ""
            self.border_title = f"Schema{group}"
        super().update_rows()

    def _mark(self, names: tuple[str, ...]) -> None:
        """States of the next transition up to the step cursor."""
        session = self._debugger.session
        view, following = session.selected, session.next
        self._touched = {}
        if view is None or following is None:
            return
        steps = following.steps[: view.step] if view.step else following.steps
        for step in steps:
            for i in (step.from_state, step.to_state):
                if i is not None and i < len(names):
                    self._touched.setdefault(names[i], "*")
        for mark, states in (("+", following.added), ("-", following.removed)):
            for i in states:
                if names[i] in self._touched:
                    self._touched[names[i]] = mark

    def _details(self, client: Client, name: str) -> list[str]:
        if name not in self._open:
            return []
        state = client.version.schema.schema[name]
        told = [word for word, on in (("auto", state.auto), ("multi", state.multi)) if on]
        for relation in _RELATIONS:
            others = getattr(state, relation)
            if others:
                told.append(f"{relation} {' '.join(others)}")
        return told or ["no relations"]

    def row_count(self) -> int:
        """States, and what is open below them."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A state, or one of its relations."""
        name, detail = self._rows[position]
        view = self._debugger.session.selected
        if detail or view is None:
            return [(f"   └ {detail}", colors.INACTIVE)]
        tick = self._clock.get(name, 0)
        style = state_style(view.client, name, tick)
        if name == view.state:
            style += colors.SELECTED
        state = view.client.version.schema.schema[name]
        mark = self._touched.get(name, " ")
        kind = "M" if state.multi else " "
        arrow = "▾" if name in self._open else "▸"
        told = f"{arrow}{mark}{name}"
        right = f"{kind}|{tick}"
        room = self.row_width - len(right) - 1
        shown = told if len(told) <= room else told[: max(room - 1, 0)] + "…"
        return [(shown.ljust(room), style), (" " + right, style)]

    def entered(self, position: int) -> None:
        """Select a state and open it; once more closes it."""
        name, detail = self._rows[position]
        if detail:
            return
        self._open ^= {name}
        self._debugger.machine.add("StateNameSelected", state=name)
        self.update_rows()


class LogPane(Widget, can_focus=True):
    """Lines around the transition under the cursor; only those that fit are made."""

    BINDINGS: ClassVar[list[BindingType]] = [
        ("up", "scroll(-1)", "up"),
        ("down", "scroll(1)", "down"),
        ("pageup,alt+p", "page(-1)", "page up"),
        ("pagedown,alt+n", "page(1)", "page down"),
    ]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="log")
        self._debugger = debugger
        self._lines: list[tuple[Line, Row]] = []
        # Lines scrolled away from where the cursor's are.
        self._shift = 0

    def update_rows(self) -> None:
        """The cursor moved, or more came."""
        if "LogUserScrolled" not in self._debugger.machine:
            self._shift = 0
        self._lines = self._around()
        self.border_title = f"Log {LOG_LEVEL}"
        self.refresh()

    def _around(self) -> list[tuple[Line, Row]]:
        """As many lines as fit, those of the cursor's transition in the middle."""
        session, height = self._debugger.session, self.size.height
        view = session.selected
        if view is None or height <= 0:
            return []
        visible, client, cursor = view.visible, view.client, view.cursor
        above: list[tuple[Line, Row]] = []
        below: list[tuple[Line, Row]] = []
        at = visible.position(cursor)
        reach = height + abs(self._shift)
        k = at - 1
        while k >= 0 and len(above) < reach:
            above = log_rows(session, client, visible.numbers[k], LOG_LEVEL) + above
            k -= 1
        k = at
        while k < len(visible) and len(below) < reach:
            below += log_rows(session, client, visible.numbers[k], LOG_LEVEL)
            k += 1
        lines = above + below
        start = len(above) - height * 2 // 3 + self._shift
        start = max(0, min(start, len(lines) - height))
        return lines[start : start + height]

    def render_line(self, y: int) -> Strip:
        """A visible line; those of the cursor's transition are highlighted."""
        width = self.size.width
        if y >= len(self._lines):
            return Strip.blank(width)
        line, row = self._lines[y]
        view = self._debugger.session.selected
        if view is not None and line.number == view.cursor:
            row = [row[0], *[(text, style + colors.CURRENT) for text, style in row[1:]]]
        return strip_of(row, width)

    def on_resize(self) -> None:
        """Other lines fit."""
        self.update_rows()

    def action_scroll(self, by: int) -> None:
        """Scroll, and leave what follows the cursor."""
        machine = self._debugger.machine
        machine.add("LogFocused")
        machine.add("LogUserScrolled")
        self._shift += by
        self.update_rows()

    def action_page(self, by: int) -> None:
        """Scroll by a page."""
        self.action_scroll(by * max(self.size.height - 1, 1))

    def on_mouse_scroll_up(self) -> None:
        """Scroll back."""
        self.action_scroll(-3)

    def on_mouse_scroll_down(self) -> None:
        """Scroll on."""
        self.action_scroll(3)

    def on_click(self, event: events.Click) -> None:
        """Go to the transition of the line."""
        y = event.get_content_offset_capture(self).y
        if y < len(self._lines):
            self._debugger.machine.add("SetCursor", number=self._lines[y][0].number)


class ReaderPane(VirtualList):
    """Facts about the transition under the cursor."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="reader")
        self._debugger = debugger
        self._rows: list[tuple[int, Fact]] = []
        self._folded: set[str] = set()

    def update_rows(self) -> None:
        """The cursor moved."""
        session = self._debugger.session
        view, current = session.selected, session.current
        self._rows = []
        if view is not None and current is not None:
            for section in facts(session.store, view.client, current):
                self._rows.append((0, section))
                if section.text not in self._folded:
                    self._rows += [(1, child) for child in section.children]
        self.border_title = "Reader"
        super().update_rows()

    def row_count(self) -> int:
        """Sections and facts."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A section or a fact; what leads somewhere is underlined."""
        depth, fact = self._rows[position]
        if depth == 0:
            arrow = "▸" if fact.text in self._folded else "▾"
            return [(f"{arrow}{fact.text}", colors.LABEL)]
        style = colors.SELECTED if fact.jump is not None else colors.PLAIN
        return [("  ", colors.PLAIN), (inert(fact.text), style)]

    def entered(self, position: int) -> None:
        """Open or close a section, or go where a fact leads."""
        depth, fact = self._rows[position]
        machine = self._debugger.machine
        if depth == 0:
            self._folded ^= {fact.text}
            self.update_rows()
        elif fact.jump is not None and fact.jump.number is not None:
            machine.add("ScrollToTx", client=fact.jump.client.id, number=fact.jump.number)
        elif fact.jump is not None:
            machine.add("SelectingClient", client=fact.jump.client.id)
        elif fact.full:
            self._debugger.ui.notify(inert(fact.full))


class RainPane(VirtualList):
    """A transition a row, a state a column."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="rain")
        self._debugger = debugger

    def update_rows(self) -> None:
        """The cursor moved, or more came: its row is in the middle, in tail mode the last."""
        view = self._debugger.session.selected
        self.border_title = "Rain"
        super().update_rows()
        if view is not None:
            self.cursor = max(view.visible.position(view.cursor) - 1, 0)
            self.scroll_to(y=self.cursor - self.size.height // 2, animate=False, force=True)

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
        number = view.visible.numbers[position]
        is_current = number == view.cursor
        return rain_row(session, view.client, number, self.row_width, is_current=is_current)

    def entered(self, position: int) -> None:
        """Go to a transition."""
        view = self._debugger.session.selected
        if view is not None:
            number = view.visible.numbers[position]
            self._debugger.machine.add("MatrixRainSelected", number=number)
