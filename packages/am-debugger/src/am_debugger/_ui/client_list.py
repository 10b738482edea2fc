"""All machines, as a tree, at the moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from .._derive.moment import label, ordered
from . import colors
from .keys import bindings_of
from .rows import client_row, id_end
from .virtual import TypedList

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.strip import Strip

    from .._core.debugger import Debugger
    from .._store.client import Client
    from .fitting import Row

EMPTY = (
    "No machine yet. Start a",
    "program with",
    "",
    "  AM_DBG_ADDR=1 python …",
    "",
    "whose machines ask for a",
    "debugger:",
    "",
    "  amh.debug_env(machine)",
    "",
    "? shows the keys.",
)
"""What to type, where there is nothing to show."""


class ClientList(TypedList):
    """All machines as a tree, at the moment."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_of("machines")]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="clients")
        self._debugger = debugger
        self._rows: list[tuple[Client, int]] = []
        self._ordered: list[tuple[Client, int]] = []
        self._revision = -1
        self._digits = 1
        # Where long ids are cut, and for which machines and room that is.
        self._end = 0.5
        self._end_of: tuple[list[tuple[Client, int]], int, int] | None = None
        self._followed: Client | None = None

    def update_rows(self) -> None:
        """Machines came or went, or the moment is another one. The cursor stays on its machine."""
        at = self.at_cursor()
        machine, session = self._debugger.machine, self._debugger.session
        if self._revision != session.store.revision:
            self._revision = session.store.revision
            self._ordered = ordered(session.store)
        hides_gone = "FilterDisconn" in machine
        hides_rpc = "FilterRpcMachs" in machine
        self._rows = self._ordered
        if hides_gone or hides_rpc:
            self._rows = [
                (client, depth)
                for client, depth in self._ordered
                if (client.is_connected or not hides_gone)
                and not (hides_rpc and any(tag.startswith("rpc") for tag in client.tags))
            ]
        selected = None if session.selected is None else session.selected.client
        if selected is not self._followed:
            self._followed = selected
            at = at if selected is None else selected.id
        if at is not None and self.at_cursor() != at:
            ids = [client.id for client, _ in self._rows]
            self.cursor = ids.index(at) if at in ids else self.cursor
        self._digits = len(str(max([client.last for client, _ in self._rows], default=0)))
        total = session.store.time_sum_at(session.shown_moment)
        self.entitle(f"Machines:{len(session.store)} T:t{total:_}")
        super().update_rows()

    def line(self, y: int) -> Strip:
        """A machine; if there are none, what to type."""
        if not self._debugger.session.store and y < len(EMPTY):
            row: Row = [(EMPTY[y], colors.PLAIN)]
            return self.painted(row)
        return super().line(y)

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
        return client_row(
            told,
            self.row_width,
            self._digits,
            is_selected=is_selected,
            is_suspect=bool(self._debugger.lints.of(client)),
            end=self._id_end(),
        )

    def _id_end(self) -> float:
        of = (self._rows, self.row_width, self._digits)
        if self._end_of is None or self._end_of[0] is not of[0] or self._end_of[1:] != of[1:]:
            self._end_of = of
            self._end = id_end([client for client, _ in self._rows], *of[1:])
        return self._end

    def names(self) -> list[str]:
        """Machines by id."""
        return [client.id for client, _ in self._rows]

    def entered(self, position: int) -> None:
        """Select a machine."""
        client, _ = self._rows[position]
        self._debugger.machine.add("SelectingClient", client=client.id)

    def action_forget(self) -> None:
        """Forget the machine under the cursor."""
        at = self.at_cursor()
        if at is not None:
            self._debugger.machine.add("RemoveClient", client=at)

    def at_cursor(self) -> str | None:
        """The machine under the cursor."""
        return self._rows[self.cursor][0].id if self.cursor < len(self._rows) else None
