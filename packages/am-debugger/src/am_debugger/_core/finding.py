"""Handlers of queries: what is looked for, what is listed, and what is shown at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.buttons import Buttons, read, written
from .._derive.moment import ordered
from .._derive.query import SLICE, parse_query
from .._errors import QueryError
from .opening import begin_again
from .ports import CONTENT_PARTS, Part
from .states import FILTERS, FilterArgs, FindArgs, SearchArgs
from .working import sliced

if TYPE_CHECKING:
    from collections.abc import Iterator

    import am_machine as am

    from .._derive.filters import Visible
    from .._derive.query import Query
    from .debugger import Debugger
    from .session import View

# So many transitions are filtered by a query before anything else has its turn.
_AT_ONCE = 4096


class FindingHandlers:
    """Search, results, and filters that are written."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    # ------------------------------------------------------------------ search

    def SearchDialogState(self, event: am.Event) -> None:
        """What is asked for is looked for in the reader."""
        self._core.searches_reader = True

    def QueryDialogState(self, event: am.Event) -> None:
        """What is asked for is looked for in the log."""
        self._core.searches_reader = False
        self._core.asks_filter = bool(event.mutation.args.get("is_filter"))
        begin_again(self._core, event)
        self._core.ui.invalidate(Part.DIALOG)

    def SearchedState(self, event: am.Event) -> None:
        """Look for a text in the reader if that has the focus, else by a query for a transition."""
        args, machine = event.args_as(SearchArgs), event.machine
        in_reader = "LogReaderFocused" in machine
        if "DialogFocused" in machine:
            in_reader = self._core.searches_reader
        if in_reader:
            self._search_reader(machine, args)
        else:
            self._search_log(machine, args)
        self._core.ui.invalidate(Part.LOG)
        machine.remove("Searched")

    def SearchShownState(self, event: am.Event) -> None:
        """What was looked for stands out."""
        self._core.ui.invalidate(Part.LOG, Part.READER)

    def SearchShownEnd(self, event: am.Event) -> None:
        """The search was closed; `n` goes on with it nevertheless."""
        self._core.ui.invalidate(Part.LOG, Part.READER)

    def _search_reader(self, machine: am.Machine, args: SearchArgs) -> None:
        session = self._session
        session.search = args.text or session.search
        if not session.search:
            self._core.ui.notify("nothing to look for: / asks")
            return
        machine.add("SearchShown")
        if not self._core.ui.find(session.search, forward=args.forward):
            self._core.ui.notify(f"not found: {session.search}")

    def _search_log(self, machine: am.Machine, args: SearchArgs) -> None:
        query = self._query(args.text) if args.text.strip() else self._session.query
        if query is None:
            if not args.text.strip():
                self._core.ui.notify("nothing to look for: / asks")
            return
        self._session.query = query
        machine.add("SearchShown")
        machine.remove("SearchingLog")
        machine.add("SearchingLog", text=query.text, forward=args.forward)

    def _query(self, text: str) -> Query | None:
        try:
            return parse_query(text)
        except QueryError as exc:
            self._core.ui.notify(f"in the query, {exc}")
            return None

    async def SearchingLogState(self, event: am.Event) -> None:
        """Go to the next visible transition that is meant; after the last comes the first."""
        args, machine, view = event.args_as(SearchArgs), event.machine, self._session.selected
        query, place = self._session.query, None
        if view is not None and query is not None:
            steps = _until_found(_nearest(view, query, forward=args.forward))
            async for found in sliced(steps, self._core.pace):
                place = found
        if place is not None:
            machine.add("SetCursor", number=place)
        else:
            self._core.ui.notify(f"not found: {args.text}")
        machine.remove("SearchingLog")

    # ------------------------------------------------------------------ results

    async def FindingState(self, event: am.Event) -> None:
        """List all transitions that a query means, those of the selected machine first."""
        args, session, core = event.args_as(FindArgs), self._session, self._core
        query = self._query(args.query)
        if query is None:
            event.machine.remove("Finding")
            return
        if not core.asks_filter:  # a filter is not what `n` goes on to look for
            session.query = query
        selected = None if session.selected is None else session.selected.client
        clients = [] if selected is None else [selected]
        if args.everywhere:
            clients += [one for one, _ in ordered(session.store) if one is not selected]
        found = session.found = type(session.found)(query, clients)
        known = -1
        async for count in sliced(found.look(), core.pace):
            if count != known:
                # The first ones are shown at once.
                core.ui.invalidate(Part.FOUND, lazily=known > 0)
                known = count
        core.ui.invalidate(Part.FOUND)
        event.machine.remove("Finding")

    # ------------------------------------------------------------------ filters

    def SetFilterState(self, event: am.Event) -> None:
        """Press the buttons that the query stands for; what else it says hides what it does not
        mean."""
        machine, session = event.machine, self._session
        try:
            buttons = read(event.args_as(FilterArgs).query)
        except QueryError as exc:
            self._core.ui.notify(f"in the query, {exc}")
            machine.remove("SetFilter")
            return
        session.narrowing = buttons.filters.query
        if buttons.group and session.selected is not None:
            machine.add("SetGroup", group=buttons.group)
        wanted = {state: getattr(buttons.filters, name) for name, state in FILTERS.items()}
        wanted |= {"FilterDisconn": buttons.hides_gone, "FilterRpcMachs": buttons.hides_rpc}
        machine.remove(*[state for state, is_on in wanted.items() if not is_on])
        on = [state for state, is_on in wanted.items() if is_on]
        if on:
            machine.add(*on)
        machine.remove("SetFilter")

    async def FilteringState(self, event: am.Event) -> None:
        """Work out what passes the filters, while all goes on as before; then show it."""
        session, core = self._session, self._core
        filters = core.wanted_filters()
        ready = session.filtered(filters)
        if ready is not None:
            async for _ in sliced(_extended(ready), core.pace):
                pass
        session.set_filters(filters, ready)
        core.ui.invalidate(*CONTENT_PARTS)
        core.moved()
        event.machine.remove("Filtering")


def filter_text(core: Debugger) -> str:
    """The filters as a query, as the buttons and what was written beside them say it."""
    machine, view = core.machine, core.session.selected
    group = view.group if view is not None else ""
    return written(
        Buttons(
            core.wanted_filters(), group, "FilterDisconn" in machine, "FilterRpcMachs" in machine
        )
    )


def takes_long(core: Debugger) -> bool:
    """Whether the filters that are wanted take so long that others must have their turns."""
    visible = core.session.filtered(core.wanted_filters())
    return visible is not None and visible.filters.query is not None and visible.left > _AT_ONCE


def _extended(visible: Visible) -> Iterator[None]:
    while visible.extend():
        yield None


def _until_found(steps: Iterator[int | None]) -> Iterator[int | None]:
    """The steps up to the first that has found something."""
    for found in steps:
        yield found
        if found is not None:
            return


def _nearest(view: View, query: Query, *, forward: bool) -> Iterator[int | None]:
    """The visible transition that is meant next to the cursor, that of the cursor last; None for
    each step in which it was not found."""
    client, visible, cursor = view.client, view.visible, view.cursor
    after, before = range(cursor + 1, client.last + 1), range(client.first, cursor + 1)
    for part in (after, before) if forward else (before, after):
        start, stop = part.start, part.stop
        if not forward and part is before:
            stop = cursor  # that of the cursor comes last
        yield from _in(view, query, start, stop, forward=forward)
    if client.first <= cursor and visible.holds(cursor) and query.within(client, cursor, cursor):
        yield cursor


def _in(view: View, query: Query, start: int, stop: int, *, forward: bool) -> Iterator[int | None]:
    """The visible transitions of a range that are meant, in a direction."""
    client = view.client
    starts = range(start, stop, SLICE)
    for at in starts if forward else reversed(starts):
        first = max(at, client.first)  # older ones may have been dropped
        last = min(at + SLICE, stop) - 1
        numbers = query.within(client, first, last) if first <= last else []
        meant = [number for number in numbers if view.visible.holds(number)]
        yield (meant[0] if forward else meant[-1]) if meant else None
