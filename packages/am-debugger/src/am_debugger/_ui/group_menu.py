"""The group of states that the schema and the log are limited to, and the list it drops down."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .._core.opening import open_or_close
from .._derive.text import inert
from . import colors
from .bars import Line
from .keys import bindings_of
from .virtual import VirtualList

if TYPE_CHECKING:
    from textual.binding import BindingType

    from .._core.debugger import Debugger
    from .fitting import Row

ALL = "all"
_MOST_ROWS = 12


def groups_of(debugger: Debugger) -> list[tuple[str, int]]:
    """Groups of the selected machine with how many states they have; the empty name: all."""
    view = debugger.session.selected
    if view is None:
        return []
    schema = view.client.version.schema.schema
    groups = [(name, len(members)) for name, members in schema.groups.items()]
    return [("", len(schema.names)), *groups]


class GroupChooser(Line, can_focus=True):
    """The chosen group. It opens the list; left and right go through it without."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("groups")]

    def row(self) -> Row:
        """The group, as wide as there is room."""
        view = self.debugger.session.selected
        style = colors.CURSOR if self.has_focus else colors.PLAIN
        group = inert(view.group) if view is not None and view.group else ALL
        room = max(self.size.width - len("Group [ ▾]"), 1)
        shown = group if len(group) <= room else f"{group[: room - 1]}…"
        return [("Group ", colors.INACTIVE), (f"[{shown:<{room}} ▾]", style)]

    def action_choose(self, by: int) -> None:
        """Another group."""
        view = self.debugger.session.selected
        if view is not None:
            groups = [name for name, _ in groups_of(self.debugger)]
            at = groups.index(view.group) if view.group in groups else 0
            self.debugger.machine.add("SetGroup", group=groups[(at + by) % len(groups)])

    def action_open(self) -> None:
        """Drop the list down, or close it."""
        open_or_close(self.debugger, "GroupMenu", {})

    def on_click(self) -> None:
        """Drop the list down."""
        self.action_open()


class GroupMenu(VirtualList):
    """All groups of the selected machine, below the chooser."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="group-menu")
        self._debugger = debugger

    def opened(self) -> None:
        """It is shown: right below the chooser, with the cursor on the chosen group."""
        below = self.app.query_one(GroupChooser).region
        names = [name for name, _ in groups_of(self._debugger)]
        view = self._debugger.session.selected
        self.styles.offset = (max(below.x - 1, 0), below.y + 1)
        self.styles.width = max(below.width, 20) + 2
        self.styles.height = min(len(names), _MOST_ROWS) + 2
        self.entitle("", "enter chooses")
        group = "" if view is None else view.group
        self.cursor = names.index(group) if group in names else 0
        self.focus()
        self.update_rows()

    def row_count(self) -> int:
        """Groups, and all."""
        return len(groups_of(self._debugger))

    def make_row(self, position: int) -> Row:
        """A group, and how many states it has."""
        name, count = groups_of(self._debugger)[position]
        told = f" {count}"
        room = max(self.row_width - len(told), 1)
        shown = inert(name) if name else ALL
        shown = shown if len(shown) <= room else f"{shown[: room - 1]}…"
        return [(f"{shown:<{room}}", colors.PLAIN), (told, colors.INACTIVE)]

    def entered(self, position: int) -> None:
        """Choose a group."""
        machine = self._debugger.machine
        machine.add("SetGroup", group=groups_of(self._debugger)[position][0])
        machine.remove("GroupMenu")
