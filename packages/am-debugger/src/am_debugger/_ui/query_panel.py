"""What asks for a query: the line, where it is at fault, and the list of what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.highlighter import Highlighter
from textual.binding import Binding, BindingType
from textual.suggester import Suggester
from textual.widgets import Input, Static

from .._core.finding import filter_text
from .._derive.completion import completions
from .._derive.query import parse_query
from .._derive.text import format_clock, inert
from .._errors import QueryError
from .._files.inspect import what_happened
from . import colors
from .dialogs import LinePanel
from .virtual import VirtualList

if TYPE_CHECKING:
    from rich.text import Text
    from textual import events
    from textual.app import ComposeResult

    from .._core.debugger import Debugger
    from .fitting import Row

_FAULT = colors.ERROR + colors.CALLED
_KEYS = "enter {does} · → completes · ↓ lists · alt+a {scope} · esc closes"
_SCOPES = {False: "this machine", True: "all machines"}
# Machines of which counts are told in the title.
_TOLD = 4


class Underlined(Highlighter):
    """Underlines what of a query cannot be read."""

    def highlight(self, text: Text) -> None:
        """See whether it is one."""
        try:
            parse_query(text.plain)
        except QueryError as error:
            text.stylize(_FAULT, error.start, error.end)


class Completed(Suggester):
    """Proposes how the last term goes on."""

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._debugger = debugger

    async def get_suggestion(self, value: str) -> str | None:
        """The likeliest name."""
        return next(iter(completions(self._debugger.session.store, value)), None)


class FoundList(VirtualList):
    """Machines with counts, and below each the transitions that the query means."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("tab", "leave", show=False)]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(id="found")
        self._debugger = debugger
        # What rows are made of until they are counted again: by then it may be another query.
        self._found = debugger.session.found
        self._count = 0

    def update_rows(self) -> None:
        """More was found, or it is another query."""
        self._found = self._debugger.session.found
        self._count = len(self._found)
        self.entitle(self._title())
        super().update_rows()

    def _title(self) -> str:
        found = self._found
        if found.query is None:
            return ""
        counts = found.counts()
        most = sorted(counts, key=lambda one: -one[1])[:_TOLD]
        told = [f"{inert(client.id)} {count:_}" for client, count in most]
        told += ["…"] if len(counts) > _TOLD else []
        under_way = "" if found.is_done else " so far"
        return f"{found.total:_} found{under_way}" + (": " + ", ".join(told) if told else "")

    def row_count(self) -> int:
        """Machines and transitions."""
        return self._count

    def make_row(self, position: int) -> Row:
        """A machine with its count, or a transition."""
        client, matches, number = self._found.row(position)
        if number is None:
            return [(f"{inert(client.id)} ", colors.LABEL), (f"{matches:_}", colors.INACTIVE)]
        if number < client.first:
            return [(f"  {number} is no longer kept", colors.INACTIVE)]
        parser = self._debugger.session.parser
        clock = format_clock(client.columns.times.shown[number - client.first])
        room = len(str(client.last))
        told = what_happened(parser, client, number)
        return [(f"  {clock} {number:>{room}} ", colors.TIME), (told, colors.PLAIN)]

    def entered(self, position: int) -> None:
        """Go to the transition; of a machine, to the first one found."""
        client, _, number = self._found.row(position)
        if number is None:
            number = self._found.row(position + 1).number
        assert number is not None
        machine = self._debugger.machine
        machine.remove("QueryDialog")
        machine.add("SearchShown")
        machine.add("ScrollToTx", client=client.id, number=number)

    def action_cursor(self, by: int) -> None:
        """Above the first row is the line."""
        if by < 0 and self.cursor == 0:
            self.action_leave()
        else:
            super().action_cursor(by)

    def action_leave(self) -> None:
        """Back to the line."""
        self.screen.query_one("#query-text").focus()


class QueryPanel(LinePanel):
    """A query to look for, or to filter by; what it means is listed while it is typed."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "list", show=False),
        Binding("tab", "list", show=False),
        Binding("alt+a", "scope", show=False),
    ]

    def __init__(self, debugger: Debugger) -> None:
        super().__init__(debugger, "query")
        self._is_everywhere = False

    def compose(self) -> ComposeResult:
        """The line, what is wrong with it, the list."""
        line = Input(
            placeholder='+Ready -Start canceled src:worker-* arg.id=3 dur>10ms !health "text"',
            id="query-text",
            highlighter=Underlined(),
            suggester=Completed(self._debugger),
        )
        yield line
        yield Static("", markup=False, id="query-fault")
        yield FoundList(self._debugger)

    def opened(self) -> None:
        """It is shown: a filter with what is hidden now, else with what was looked for last."""
        is_filter, session = self._debugger.asks_filter, self._debugger.session
        self.border_title = "Filter" if is_filter else "Find"
        asked = "" if session.query is None else session.query.text
        line = self.query_one(Input)
        line.value = filter_text(self._debugger) if is_filter else asked
        line.cursor_position = len(line.value)
        line.focus()
        self._ask()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Look for it while it is typed."""
        if self.display:
            self._ask()

    def _ask(self) -> None:
        does = "filters" if self._debugger.asks_filter else "goes on"
        self.border_subtitle = _KEYS.format(does=does, scope=_SCOPES[not self._is_everywhere])
        text, fault = self.query_one(Input).value, ""
        try:
            parse_query(text)
        except QueryError as exc:
            fault = str(exc)
        self.query_one("#query-fault", Static).update(fault or _SCOPES[self._is_everywhere])
        machine = self._debugger.machine
        machine.remove("Finding")
        if not fault and text.strip():
            machine.add("Finding", query=text, everywhere=self._is_everywhere)

    def action_list(self) -> None:
        """To the list."""
        found = self.query_one(FoundList)
        if found.row_count():
            found.focus()

    def action_scope(self) -> None:
        """Ask one machine, or all."""
        self._is_everywhere = not self._is_everywhere
        self._ask()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Go there, or filter."""
        event.stop()
        machine = self._debugger.machine
        try:
            parse_query(event.value)
        except QueryError:
            return  # it is told, and underlined
        if self._debugger.asks_filter:
            machine.add("SetFilter", query=event.value)
        elif event.value.strip():
            machine.add("Searched", text=event.value)
        machine.remove("QueryDialog")

    def on_key(self, event: events.Key) -> None:
        """Tab stays here."""
        if event.key == "shift+tab":
            event.stop()
            self.query_one(Input).focus()
