"""The log reader: facts about the transition under the cursor, as a tree."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from .._core.opening import open_or_close
from .._derive.reader import Fact, facts
from .._derive.text import inert
from . import colors
from .fitting import fit
from .keys import bindings_of
from .log_pane import JOURNAL_ONLY
from .rows import named
from .virtual import VirtualList

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.binding import BindingType

    from .._core.debugger import Debugger
    from .fitting import Row

# Sections that are closed until somebody opens them.
_CLOSED = frozenset(("Source/Stack",))
_EVERYTHING = 2
# Columns that an id keeps.
_LEAST_ID = 7


class FactRow(NamedTuple):
    """A row: its path names it, whatever the transition is."""

    path: str
    depth: int
    fact: Fact
    is_open: bool


def fact_rows(sections: list[Fact], toggled: set[str], *, is_folded: bool) -> Iterator[FactRow]:
    """All rows that are not folded away. `toggled` nodes are not as they usually are."""

    def walk(fact: Fact, path: str, depth: int) -> Iterator[FactRow]:
        is_closed = (path in _CLOSED or is_folded) is not (path in toggled)
        is_open = bool(fact.children) and not is_closed
        yield FactRow(path, depth, fact, is_open)
        if is_open:
            for k, child in enumerate(fact.children):
                name = child.text if child.children else str(k)
                yield from walk(child, f"{path}/{name}", depth + 1)

    for section in sections:
        yield from walk(section, section.text, 0)


def _short(fact: Fact, room: int) -> str:
    """The first line of a fact. Where there is no room, an id that it begins with is cut in its
    middle, as in the list of machines: what follows tells more."""
    text = inert(fact.text.partition("\n")[0])
    id = "" if fact.jump is None else inert(fact.jump.client.id)
    if len(text) <= room or not id or not text.startswith(f"{id}/"):
        return text
    rest = text[len(id) :]
    return fit(id, min(max(room - len(rest), _LEAST_ID), len(id))) + rest


class ReaderPane(VirtualList):
    """Facts about the transition under the cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("reader")]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="reader")
        self._debugger = debugger
        self._rows: list[FactRow] = []

    def update_rows(self) -> None:
        """The cursor of time moved. That of the rows stays on its fact, or on its section."""
        at = self._rows[self.cursor].path if self.cursor < len(self._rows) else ""
        session, wishes = self._debugger.session, self._debugger.wishes
        view, current = session.selected, session.current
        self._rows, missing = [], ""
        if view is not None:
            detail = wishes.detail_of(view.client)
            if detail is not None and detail < _EVERYTHING:
                missing = JOURNAL_ONLY
            if current is not None:
                can_ask = view.client.is_connected and detail is not None
                found = facts(session.store, view.client, current, can_ask=can_ask)
                rows = fact_rows(found, session.reader_nodes, is_folded=session.is_reader_folded)
                self._rows = list(rows)
        self.entitle("Reader", missing)
        self._return_to(at)
        super().update_rows()

    def _return_to(self, path: str) -> None:
        paths = [row.path for row in self._rows]
        while path:
            if path in paths:
                self.cursor = paths.index(path)
                return
            path = path.rpartition("/")[0]

    def row_count(self) -> int:
        """Sections and facts."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A section or a fact; what leads somewhere is underlined, and the selected state stands
        out where it is named."""
        _, depth, fact, is_open = self._rows[position]
        indent = ("  " * depth, colors.PLAIN)
        search = self._debugger.session.search.casefold()
        is_found = "SearchShown" in self._debugger.machine and search in fact.text.casefold()
        found = colors.FOUND if search and is_found else colors.PLAIN
        if fact.children:
            arrow = "▾" if is_open else "▸"
            return [indent, (f"{arrow}{inert(fact.text)}", colors.LABEL + found)]
        leads = fact.jump is not None or bool(fact.state)
        style = colors.CALLED if leads else colors.PLAIN
        view = self._debugger.session.selected
        told: Row = [(_short(fact, self.row_width - 2 * depth), style + found)]
        return [indent, *named(told, "" if view is None else view.state)]

    def entered(self, position: int) -> None:
        """Open or close a node, go where a fact leads, or show it in full."""
        path, _, fact, _ = self._rows[position]
        machine = self._debugger.machine
        if fact.children:
            machine.add("NodeToggled", pane="reader", node=path)
        elif fact.state:
            machine.add(fact.state)
        elif fact.jump is None:
            title = path.partition("/")[0]
            full = {"title": title, "text": fact.full or fact.text}
            open_or_close(self._debugger, "Overlay", full)
        elif fact.jump.number is not None:
            machine.add("ScrollToTx", client=fact.jump.client.id, number=fact.jump.number)
        else:
            machine.add("SelectingClient", client=fact.jump.client.id)

    def action_search(self, forward: bool) -> None:
        """To the next row that has the text, or the one before."""
        self._debugger.machine.add("Searched", forward=forward)

    def find(self, text: str, *, forward: bool) -> bool:
        """Put the cursor on the next row that has a text, or the one before; after the last comes
        the first. False if there is none."""
        count = len(self._rows)
        for k in range(1, count + 1):
            position = (self.cursor + (k if forward else -k)) % count
            fact = self._rows[position].fact
            if text.casefold() in f"{fact.text}\n{fact.full}".casefold():
                self.show(position)
                return True
        return False
