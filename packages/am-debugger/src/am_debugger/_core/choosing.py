"""Handlers that choose: a machine, a group, a state, and which transitions are shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .finding import takes_long
from .ports import CONTENT_PARTS
from .states import FILTERS, LOADING, GroupArgs, SelectArgs, StateNameArgs

if TYPE_CHECKING:
    import am_machine as am

    from .._derive.filters import Filters
    from .._store.client import Client
    from .debugger import Debugger

# Of a machine with more transitions, what is visible is worked out in slices.
_AT_ONCE = 200_000
# The same where a query is asked about each.
_AT_ONCE_BY_QUERY = 4096
# What filters and `Loading` follow from, and `Loading` itself: it may come when it is over.
_FOLLOWED = frozenset(
    (*FILTERS.values(), "SetFilter", "FoldQuiet", "ClientSelected", "Loading", *LOADING)
)


class ChoosingHandlers:
    """Machines, groups, states, filters."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session
        # Filters that are worked out right now.
        self._under_way: Filters | None = None

    # ------------------------------------------------------------------ machines

    def SelectingClientEnter(self, event: am.Event) -> bool:
        """Only a machine that is known."""
        return self._session.store.get(event.args_as(SelectArgs).client) is not None

    def SelectingClientState(self, event: am.Event) -> None:
        """Look at a machine, at the moment."""
        client = self._session.store.get(event.args_as(SelectArgs).client)
        if client is None:
            event.machine.remove("SelectingClient")
            return
        visible = self._session.view(client).visible
        if visible.left > (_AT_ONCE if visible.filters.query is None else _AT_ONCE_BY_QUERY):
            event.machine.fork(self._select_slowly, event.machine, client, state="SelectingClient")
        else:
            self._selected(event.machine, client)

    async def _select_slowly(self, machine: am.Machine, client: Client) -> None:
        view = self._session.view(client)
        while view.visible.extend():
            await trio.lowlevel.checkpoint()
        self._selected(machine, client)

    def _selected(self, machine: am.Machine, client: Client) -> None:
        self._session.select(client)
        self._session.remember()
        machine.add("ClientSelected")

    def ClientSelectedState(self, event: am.Event) -> None:
        """Show it; in tail mode at its end."""
        core = self._core
        if core.wants_tail:
            event.machine.add("TailMode")
        if event.machine.is_("NarrowLayout", "ClientListFocused"):
            # The list takes the room of what it was opened for.
            has_tree = "MatrixView" not in event.machine
            event.machine.add("TreeFocused" if has_tree else "MatrixFocused")
        core.ui.invalidate(*CONTENT_PARTS)
        core.moved()

    def ClientSelectedEnd(self, event: am.Event) -> None:
        """What mode there was comes again with the next machine."""
        self._core.wants_tail = "TailMode" in event.transition.before

    def RemoveClientState(self, event: am.Event) -> None:
        """Forget a machine; it comes again if more is told of it."""
        machine = event.machine
        client = self._session.store.get(event.args_as(SelectArgs).client)
        if client is not None:
            selected = self._session.selected
            if selected is not None and selected.client is client:
                machine.remove("ClientSelected")
            self._core.forget(client)
        machine.remove("RemoveClient")

    # ------------------------------------------------------------------ groups and states

    def SetGroupState(self, event: am.Event) -> None:
        """Show only transitions that call states of a group."""
        group, view = event.args_as(GroupArgs).group, self._session.selected
        if view is not None and takes_long(self._core):
            view.group = group
            self._filter_slowly(event.machine)
        else:
            self._session.set_group(group)
        self._core.moved()
        event.machine.remove("SetGroup")

    def StateNameSelectedState(self, event: am.Event) -> None:
        """Select a state, whose changes jumps go to; empty: none."""
        view = self._session.selected
        name = event.args_as(StateNameArgs).state
        if view is not None:
            view.state = name if name in view.client.version.names else ""
        self._core.moved()
        event.machine.remove("StateNameSelected")

    # ------------------------------------------------------------------ filters

    def _filter_slowly(self, machine: am.Machine) -> None:
        """Over again, if it was under way."""
        self._under_way = self._core.wanted_filters()
        machine.remove("Filtering")
        machine.add("Filtering")

    def FoldToggledState(self, event: am.Event) -> None:
        """Open the run of quiet transitions under the cursor, or fold it again."""
        if self._session.toggle_fold():
            self._core.ui.invalidate(*CONTENT_PARTS)
            self._core.moved()
        else:
            self._core.ui.notify("nothing is folded here")
        event.machine.remove("FoldToggled")

    def AnyState(self, event: am.Event) -> None:
        """Filters and `Loading` follow from what is active."""
        machine, transition = event.machine, event.transition
        if _FOLLOWED.isdisjoint((*transition.added, *transition.removed)):
            return  # as with each message and each step
        filters = self._core.wanted_filters()
        if filters == self._session.filters:
            if self._under_way is not None:
                self._under_way = None
                machine.remove("Filtering")
        elif filters != self._under_way:
            if takes_long(self._core):
                self._filter_slowly(machine)
            else:
                self._session.set_filters(filters)
                self._core.ui.invalidate(*CONTENT_PARTS)
                self._core.moved()
        folds = "FoldQuiet" in machine
        if folds is not self._session.folds:
            self._session.set_folds(folds=folds)
            self._core.ui.invalidate(*CONTENT_PARTS)
            self._core.moved()
        is_loading = bool(machine.any_(*LOADING))
        if is_loading is not ("Loading" in machine):
            if is_loading:
                machine.add("Loading")
            else:
                machine.remove("Loading")
