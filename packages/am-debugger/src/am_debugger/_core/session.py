"""Machines, cursors, filters and the moment: time travel, without a machine or a screen.

A cursor stands just after a transition; at `first - 1` it stands before the oldest one that is
kept. Each machine has its own. *The moment* is the human time of the transition under the selected
machine's cursor: what is shown of other machines is shown as of then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.filters import Filters, Visible
from .._derive.folds import Folds
from .._derive.found import Found
from .._derive.steps import Parsed, Parser
from .._derive.url import LATEST_TIME, MachineUrl
from .._store.layout import MOST
from .._store.store import Store
from .places import Place, Places

if TYPE_CHECKING:
    from .._derive.query import Query
    from .._store.client import Client

JUMP = 50
USUAL_LEVEL = 2
"""Level of the log in the beginning: changes."""


class View:
    """How one machine is looked at."""

    def __init__(self, client: Client, filters: Filters, *, folds: bool = True) -> None:
        self.client = client
        # Runs of quiet transitions that the user opened, as (first, last).
        self.opened_folds: list[tuple[int, int]] = []
        self.cursor = client.first - 1
        # The moment at which the cursor was set, so that coming back finds the same transition.
        self.moment: int | None = None
        self.step = 0
        self.state = ""
        self.group = ""
        # States whose relations are shown; moving changes nothing of it.
        self.opened: set[str] = set()
        # The answer that is shown to what the machine waits for.
        self.pending = client.pending
        self.look(filters, folds=folds)

    def look(self, filters: Filters, *, folds: bool) -> None:
        """Other transitions are visible, `folds`: a run of quiet ones as one."""
        self.show(self.seen(filters, folds=folds))

    def seen(self, filters: Filters, *, folds: bool) -> Visible:
        """What would be visible, still to be worked out."""
        made = Folds(self.client, self.opened_folds) if folds else None
        return Visible(self.client, filters, self.members, made)

    def show(self, visible: Visible) -> None:
        """From now on this is visible."""
        self.visible = visible
        self.visible.pin(self.cursor)

    @property
    def members(self) -> frozenset[str] | None:
        """The states of the chosen group; None: all."""
        groups = self.client.version.schema.schema.groups
        return frozenset(groups[self.group]) if self.group in groups else None


class Session:
    """What the user sees, as values."""

    def __init__(self, store: Store | None = None) -> None:
        self.store = Store() if store is None else store
        self.parser = Parser(self.store)
        self.places = Places()
        self.filters = Filters(auto_canceled=False, health=False, out_group=False)
        self.folds = True
        """Whether a run of quiet transitions is shown as one."""
        self.selected: View | None = None
        self.moment: int = 0
        self.log_level = USUAL_LEVEL
        self.search = ""
        """What is looked for in the reader; empty: nothing."""
        self.query: Query | None = None
        """What is looked for in the log."""
        self.narrowing: Query | None = None
        """What no button says of the filters."""
        self.found = Found()
        # Nodes of the reader that are not as they usually are: open, or all of them closed.
        self.reader_nodes: set[str] = set()
        self.is_reader_folded = False
        self._views: dict[int, View] = {}

    @property
    def shown_moment(self) -> int:
        """The moment that other machines are shown at; the end of time, before any was chosen."""
        return self.moment if self.moment or self.selected is not None else MOST

    # ------------------------------------------------------------------ machines

    def view(self, client: Client) -> View:
        """How a machine is looked at; made on first sight."""
        found = self._views.get(client.serial)
        if found is None:
            found = self._views[client.serial] = View(client, self.filters, folds=self.folds)
        return found

    def select(self, client: Client) -> View:
        """Look at a machine: at its transition nearest to the moment. The moment stays, so that
        going back finds the same transition as before."""
        view = self.view(client)
        is_first = self.selected is None
        self.selected = view
        self._refresh(view)
        if is_first and self.moment == 0:
            self.to_end()
        elif (number := self._landing(view)) is not None:
            view.cursor = number
            view.moment = self.moment
            view.step = 0
        self._keep_step(view)
        return view

    def _landing(self, view: View) -> int | None:
        """The transition that a look at a machine lands on; None: it stays where it was."""
        if view.moment != self.moment or not self._is_at_home_or_visible(view):
            return self._nearest_visible(view, self.moment)
        return None

    def _is_at_home_or_visible(self, view: View) -> bool:
        return view.cursor == view.client.first - 1 or view.cursor in view.visible

    def _nearest_visible(self, view: View, moment: int) -> int:
        client = view.client
        number = client.nearest(moment)
        if number in view.visible or not len(view.visible):
            return number if number in view.visible else client.first - 1
        times = client.columns.times

        def distance(n: int) -> int:
            return abs(times.searched(n - client.first) - moment)

        near = [n for n in (view.visible.before(number), view.visible.after(number)) if n]
        return min(near, key=lambda n: (distance(n), -n))

    def forget(self, client: Client) -> None:
        """A machine was removed."""
        if self._views.pop(client.serial, None) is None:
            return  # the user never was there
        self.places.forget(client.serial)
        if self.selected is not None and self.selected.client is client:
            self.selected = None

    # ------------------------------------------------------------------ filters

    def set_filters(self, filters: Filters, ready: Visible | None = None) -> None:
        """Other transitions are hidden. The cursor goes to the nearest one that is visible,
        backwards first.

        :param ready: What is visible of the selected machine, if that was worked out before.
        """
        self.filters = filters
        for view in self._views.values():
            view.look(filters, folds=self.folds)
        if self.selected is not None:
            at = self.selected.visible
            is_same = ready is not None and (ready.client, ready.group) == (at.client, at.group)
            if ready is not None and is_same and (ready.folds is None) is (at.folds is None):
                self.selected.show(ready)
            self.settle(self.selected)

    def set_group(self, group: str) -> None:
        """A group of states was chosen on the selected machine; empty: all."""
        view = self.selected
        if view is not None:
            view.group = group
            view.look(self.filters, folds=self.folds)
            self.settle(view)

    def filtered(self, filters: Filters) -> Visible | None:
        """What would be visible of the selected machine, still to be worked out; None if no machine
        is selected."""
        view = self.selected
        return None if view is None else view.seen(filters, folds=self.folds)

    def set_folds(self, *, folds: bool) -> None:
        """Runs of quiet transitions are shown as one, or not."""
        self.folds = folds
        self.set_filters(self.filters)

    def toggle_fold(self) -> bool:
        """Open what the transition under the cursor stands for, or fold again what was opened
        there; False if there is neither."""
        view = self.selected
        if view is None:
            return False
        if view.visible.open(view.cursor):
            return True
        view.visible.pin(0)
        has_closed = view.visible.close(view.cursor)
        if has_closed and view.cursor not in view.visible:
            # On to the one that stands for it now.
            number = view.visible.after(view.cursor)
            self._put(view, view.cursor if number is None else number)
        view.visible.pin(view.cursor)
        return has_closed

    def settle(self, view: View) -> None:
        """See that the cursor is where it may be: transitions were hidden, or dropped."""
        self._refresh(view)
        home = view.client.first - 1
        if view.cursor < home:
            self._put(view, home if view.visible.nearest(home) is None else view.visible.numbers[0])
        elif view.cursor > home and view.cursor not in view.visible:
            nearest = view.visible.nearest(view.cursor)
            self._put(view, home if nearest is None else nearest)
        self._keep_step(view)

    def _keep_step(self, view: View) -> None:
        """Stay within the steps: another transition may follow now."""
        if view.step and view is self.selected:
            view.step = min(view.step, self.step_count)

    def _refresh(self, view: View) -> None:
        view.visible.complete()

    # ------------------------------------------------------------------ moving

    def _put(self, view: View, number: int, step: int = 0) -> None:
        if number != view.cursor:
            view.step = 0
        view.cursor = number
        view.step = step or view.step
        if view is self.selected:
            self.moment = self._time_at(view)
        view.moment = self.moment

    def _time_at(self, view: View) -> int:
        times, k = view.client.columns.times, view.cursor - view.client.first
        if k >= 0:
            return times.searched(k)
        return times.searched(0) - 1 if len(times) else self.moment

    def forward(self, amount: int = 1) -> bool:
        """To the next visible transitions; False at the end."""
        view = self.selected
        number = None if view is None else view.visible.after(view.cursor, amount)
        if view is None or number is None:
            return False
        self._put(view, number)
        return True

    def back(self, amount: int = 1) -> bool:
        """To the previous visible transitions, at last before the first; False there."""
        view = self.selected
        if view is None or view.cursor < view.client.first:
            return False
        position = view.visible.position(view.cursor)
        if position <= amount:
            self._put(view, view.client.first - 1)
        else:
            number = view.visible.before(view.cursor, amount)
            self._put(view, view.client.first - 1 if number is None else number)
        return True

    def to_end(self) -> bool:
        """To the latest visible transition; False if the cursor is there."""
        view = self.selected
        number = None if view is None else view.visible.last
        if view is None or number is None or number == view.cursor:
            return False
        self._put(view, number)
        return True

    def to_home(self) -> None:
        """Before the first transition."""
        if self.selected is not None:
            self._put(self.selected, self.selected.client.first - 1)

    def to(self, number: int, step: int = 0) -> bool:
        """To a transition, or the nearest one that is visible; False if nothing is."""
        view = self.selected
        if view is None:
            return False
        home = view.client.first - 1
        if number <= home:
            self._put(view, home)
            return True
        if number not in view.visible:
            view.visible.open(number)
        found = number if number in view.visible else view.visible.nearest(number)
        if found is None:
            return False
        self._put(view, found)
        self.to_step(step)
        return True

    def to_change(self, *, forward: bool) -> bool:
        """To the nearest visible transition that changed the selected state; False: there is
        none."""
        view = self.selected
        if view is None:
            return False
        state = view.client.version.schema.schema.index.get(view.state)
        if state is None:
            return False
        number = view.visible.changing(state, view.cursor, forward=forward)
        if number is None:
            return False
        return self.to(number)

    # ------------------------------------------------------------------ steps

    @property
    def next_number(self) -> int | None:
        """The visible transition after the cursor, whose steps are walked through."""
        view = self.selected
        return None if view is None else view.visible.after(view.cursor)

    @property
    def step_count(self) -> int:
        """How many steps the next transition has."""
        view, number = self.selected, self.next_number
        if view is None or number is None:
            return 0
        return len(self.parser.parse(view.client, number).steps)

    def to_step(self, step: int) -> bool:
        """To a step of the next transition, 0 being before the first; False if nothing moved."""
        view = self.selected
        if view is None:
            return False
        found = max(0, min(step, self.step_count))
        has_moved = found != view.step
        view.step = found
        return has_moved

    def step_by(self, amount: int) -> bool:
        """So many steps on; beyond the last to the next transition, before the first to the last
        step of the previous one. False at the ends."""
        view = self.selected
        if view is None:
            return False
        if amount > 0 and view.step >= self.step_count:
            return self.forward()
        if amount < 0 and view.step == 0:
            if not self.back():
                return False
            view.step = self.step_count
            return True
        return self.to_step(view.step + amount)

    # ------------------------------------------------------------------ reading

    @property
    def current(self) -> Parsed | None:
        """The transition under the cursor; None before the first."""
        view = self.selected
        if view is None or view.cursor < view.client.first:
            return None
        return self.parser.parse(view.client, view.cursor)

    @property
    def next(self) -> Parsed | None:
        """The visible transition after the cursor."""
        view, number = self.selected, self.next_number
        return None if view is None or number is None else self.parser.parse(view.client, number)

    @property
    def clock(self) -> list[int]:
        """The clock of the selected machine at the cursor."""
        view = self.selected
        return [] if view is None else view.client.clock_after(view.cursor)

    # ------------------------------------------------------------------ places

    @property
    def place(self) -> Place | None:
        """Where the user is."""
        view = self.selected
        if view is None:
            return None
        return Place(view.client.serial, view.cursor, view.step, view.state, view.group)

    def remember(self) -> None:
        """Where the user is was chosen on purpose."""
        place = self.place
        if place is not None:
            self.places.visit(place)

    def go(self, place: Place, *, keeps_moment: bool = False) -> bool:
        """To a place; False if its machine is gone. With `keeps_moment` to its machine as it is at
        the moment, whichever transition the place names."""
        client = self.store.by_serial(place.serial)
        if client is None:
            return False
        view = self.select(client)
        view.state = place.state
        if view.group != place.group:
            self.set_group(place.group)
        if not keeps_moment:
            self.to(place.number, place.step)
        return True

    def url(self, *, is_short: bool = False) -> MachineUrl | None:
        """The address of where the user is; a short one leaves the human time out, which is of use
        where the transition's id is not known."""
        view, current = self.selected, self.current
        if view is None:
            return None
        state, group = view.state or None, view.group or None
        if current is None:
            return MachineUrl(view.client.id, time_sum=0, state=state, group=group)
        time = LATEST_TIME + 1 if is_short else current.tx.time
        return MachineUrl(
            view.client.id,
            current.tx.id,
            view.step or None,
            time=time if time <= LATEST_TIME else None,
            state=state,
            group=group,
        )

    def find(self, url: MachineUrl) -> Place | None:
        """The place of an address; None if there is no such machine or transition. The id of the
        transition wins over machine time, that over human time, that over the queue tick. One that
        names none of these is where a look at the machine lands."""
        client = self.store.get(url.machine_id)
        if client is None:
            named = self.store.named(url.machine_id)
            if not named:
                return None
            client = named[0]
        number: int | None
        if url.tx is not None:
            number = client.find_id(url.tx)
        elif url.time_sum is not None:
            is_home = url.time_sum <= client.columns.sum_home
            number = client.first - 1 if is_home else client.at_sum(url.time_sum)
        elif url.time is not None:
            number = client.nearest(url.time)
        elif url.queue_tick is not None:
            number = client.at_queue_tick(url.queue_tick)
        elif self.selected is None and self.moment == 0:
            number = client.last
        else:
            view = self.view(client)
            self._refresh(view)
            landing = self._landing(view)
            number = view.cursor if landing is None else landing
        if number is None:
            return None
        return Place(client.serial, number, url.step or 0, url.state or "", url.group or "")
