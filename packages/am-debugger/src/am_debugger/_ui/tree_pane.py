"""The schema of the selected machine as a tree, with what the next transition does to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import colors
from .relation_lines import Column
from .tree_rows import NOTHING, Node, column_of, node_row, nodes, stepped
from .virtual import TypedList

if TYPE_CHECKING:
    import am_machine as am

    from .._core.debugger import Debugger
    from .fitting import Row

_NARROWEST = 16


class SchemaTree(TypedList):
    """The states of the selected machine with their ticks; below each, what it relates to."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="schema")
        self._debugger = debugger
        self._rows: list[Node] = []
        # What the rows were made of: another machine may be selected before they are made anew.
        self._schema: am.Schema | None = None
        self._chosen = ""
        self._opened: set[str] = set()
        self._clock: dict[str, int] = {}
        self._told = NOTHING
        self._column = Column([])
        self._digits = 1

    def update_rows(self) -> None:
        """The machine, its group or the cursor changed. The cursor stays on its node."""
        at = self._rows[self.cursor] if self.cursor < len(self._rows) else None
        session = self._debugger.session
        view = session.selected
        self._rows, self._clock, self._told = [], {}, NOTHING
        if view is not None:
            self._schema = view.client.version_at(max(view.cursor, view.client.first)).schema.schema
            names = self._schema.names
            self._chosen = view.state
            self._clock = dict(zip(names, session.clock, strict=False))
            self._told = stepped(view, session.next, names)
            self._opened = view.opened | self._told.marks.keys() if view.step else view.opened
            self._rows = nodes(view, names, self._opened)
        self._column = column_of(self._rows, self._told.joins, self.row_width)
        if at is not None and at in self._rows:
            self.cursor = self._rows.index(at)
        ticks = [self._clock.get(node.state, 0) for node in self._rows]
        self._digits = len(str(max(ticks, default=0)))
        super().update_rows()

    def row_count(self) -> int:
        """States, and what is open below them."""
        return len(self._rows)

    def make_row(self, position: int) -> Row:
        """A state, or one of its relations; beside it the lines that join it to others."""
        node, width = self._rows[position], self.row_width
        has_room = width - self._column.width >= _NARROWEST
        room = width - self._column.width if has_room else width
        assert self._schema is not None
        row = node_row(
            self._schema,
            node,
            self._clock.get(node.state, 0),
            self._told,
            room,
            self._digits,
            chosen=self._chosen,
            is_open=node.state in self._opened,
        )
        if has_room and self._column.width:
            used = sum([len(text) for text, _ in row])
            row.append((" " * max(room - used, 0), colors.PLAIN))
            row += [
                (cell, colors.JOIN_LAST if is_last else colors.JOIN)
                for cell, is_last in self._column.row(position)
            ]
        return row

    def names(self) -> list[str]:
        """What is searched by typing."""
        return [node.leads_to or node.text or node.state for node in self._rows]

    def entered(self, position: int) -> None:
        """Select a state and open it, once more closes it; follow a relation to its state."""
        node, machine = self._rows[position], self._debugger.machine
        if node.leads_to:
            machine.add("StateNameSelected", state=node.leads_to)
            self._follow(node.leads_to)
        elif not node.text:
            machine.add("NodeToggled", pane="schema", node=node.state)
            machine.add("StateNameSelected", state=node.state)

    def _follow(self, state: str) -> None:
        for position, node in enumerate(self._rows):
            if node == Node(state):
                self.show(position)
                return
        self._debugger.ui.notify(f"{state} is not in the group")
