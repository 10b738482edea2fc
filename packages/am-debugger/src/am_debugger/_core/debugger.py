"""The machine with its session, settings and ports."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_machine as am

from ..__about__ import __version__
from .._derive.filters import Filters
from .._derive.lints.lints import Lints
from .._derive.url import parse_url
from .._errors import DebuggerError, UrlError
from .._store.layout import sizes_for
from .._store.store import MOST_CLIENTS, Store
from .choosing import ChoosingHandlers
from .drawing import DrawingHandlers
from .finding import FindingHandlers
from .linting import LintingHandlers
from .memory import Memory
from .moving import MovingHandlers
from .overviews import OverviewHandlers
from .pace import Pace
from .ports import (
    CONTENT_PARTS,
    CURSOR_PARTS,
    FilesPort,
    NoFiles,
    NoWishes,
    NullUi,
    Part,
    Progress,
    UiPort,
    WishesPort,
)
from .reading import ReadingHandlers
from .session import Session
from .showing import ShowingHandlers
from .states import FILTERS, DebuggerStates
from .working import WorkingHandlers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .._derive.reader import Fact
    from .._store.client import Client
    from .opening import Opened
    from .places import Place

MEMORY_INTERVAL = 5.0
"""Seconds from one look at memory to the next, whatever comes in between."""
TAG = "am-dbg"
"""What tells a debugger's machine from those of programs."""
_MEGABYTE = 1 << 20
_MOST_NOTES = 100
# What a transition of a dump is counted for, decompressed.
_DUMPED_BYTES = 64


@dataclass(slots=True)
class Settings:
    """What the command line says. Memory in MB, times in seconds."""

    max_mem: int = 1000
    log_ttl: float = 3600.0
    max_clients: int = MOST_CLIENTS
    select_connected: bool = False
    clean_on_connect: bool = False
    tail: bool = True
    folder: Path = field(default_factory=Path)
    theme: str = "dark"
    mouse: bool = True
    clipboard: bool = True

    @property
    def max_bytes(self) -> int:
        """The cap of memory in bytes."""
        return self.max_mem * _MEGABYTE

    @property
    def log_ttl_us(self) -> int:
        """Age in microseconds from which fine log lines go first."""
        return int(self.log_ttl * 1_000_000)


class Debugger:
    """One debugger: `machine` is what everybody talks to, `session` what it shows.

    Open the machine (`async with debugger.machine:`) in trio; without that, all that does not wait
    works, too.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        ui: UiPort | None = None,
        files: FilesPort | None = None,
        id: str = "am-dbg",
    ) -> None:
        self.settings = Settings() if settings is None else settings
        self.ui: UiPort = NullUi() if ui is None else ui
        self.files: FilesPort = NoFiles() if files is None else files
        store = Store(
            max_clients=self.settings.max_clients, sizes=sizes_for(self.settings.max_bytes)
        )
        self.session = Session(store)
        self.wishes: WishesPort = NoWishes()
        self.pace = Pace()
        self.lints = Lints(self.session.store)
        """What looks wrong."""
        self.page: Callable[[], tuple[str, list[Fact]]] = lambda: ("", [])
        """Title and facts of the page that is shown."""
        self.page_state = ""
        """The state that has made it."""
        self.closed: Opened | None = None
        """What the press of the mouse that is under way has closed."""
        self.overlay: tuple[str, str] = ("", "")
        """Title and text of what is shown in full."""
        self.addresses: Sequence[object] = ()
        """Where it listens."""
        self.focus_before = "ClientListFocused"
        """The focus that was there when a dialog opened, or a pane went."""
        self.searches_reader = False
        """Whether what is asked for is looked for in the reader; else in the log."""
        self.asks_filter = False
        """Whether a query that is asked for is a filter."""
        self.wants_tail = self.settings.tail
        self.progress: Progress | None = None
        """How far an import or export is, while there is one."""
        self.fault: DebuggerError | OSError | None = None
        """Why a dump was not read without which there is nothing to go on with."""
        self.notes: list[str] = []
        """What happened to the debugger itself, the last 100."""
        self.memory = Memory()
        """What is held, and how much may come in before that is looked at again."""
        self.made_room = 0
        """Machines that were forgotten for others to come."""
        self.session.store.make_room = self._make_room
        self.machine = am.Machine(
            DebuggerStates, id=id, tags=[TAG], handlers=amh.DisposedHandlers()
        )
        for handlers in (
            MovingHandlers, ChoosingHandlers, ReadingHandlers, FindingHandlers, DrawingHandlers,
            ShowingHandlers, WorkingHandlers, LintingHandlers, OverviewHandlers,
        ):  # fmt: skip
            self.machine.bind(handlers(self))

    # ------------------------------------------------------------------ for handlers

    def moved(self, *, lazily: bool = False) -> None:
        """The cursor may be elsewhere; lazily if it went along with what came in."""
        current = self.session.current
        if (current is not None) is not ("TxSelected" in self.machine):
            if current is not None:
                self.machine.add("TxSelected")
            else:
                self.machine.remove("TxSelected")
        self.ui.invalidate(*CURSOR_PARTS, lazily=lazily)

    def wanted_filters(self) -> Filters:
        """The filters as states say them, with what was written beside."""
        wanted = {name: state in self.machine for name, state in FILTERS.items()}
        return Filters(**wanted, query=self.session.narrowing)

    def show_page(self, state: str, page: Callable[[], tuple[str, list[Fact]]]) -> None:
        """Show a page of facts, which a state has made: `page` gives its title and the facts."""
        self.page_state, self.page = state, page
        self.machine.add("FactsPage")

    def forget(self, client: Client) -> None:
        """A machine goes."""
        selected = self.session.selected
        was_shown = selected is not None and selected.client is client
        self.session.store.remove(client)
        self.session.forget(client)
        if was_shown:
            self.ui.invalidate(*CONTENT_PARTS)
        else:
            # Facts may lead to it. In a flood one goes for each that comes.
            self.ui.invalidate(Part.CLIENTS, Part.READER, Part.STATUS, Part.PAGE, lazily=True)

    def _make_room(self) -> bool:
        """There are as many machines as may be: the one goes that nobody tells of for longest."""
        selected = self.session.selected
        client = self.session.store.oldest_left(None if selected is None else selected.client)
        if client is None:
            return False
        self.forget(client)
        self.made_room += 1
        return True

    def settle(self) -> None:
        """Transitions were dropped: no cursor stays where nothing is."""
        if self.session.selected is not None:
            self.session.settle(self.session.selected)
        self.moved()

    def about(self) -> list[str]:
        """Version, addresses and memory."""
        store = self.session.store
        return [
            f"am-dbg {__version__}",
            *[f"listens at {address}" for address in self.addresses],
            f"{len(store)} machines, {store.transitions} transitions",
            f"{self.memory.held / _MEGABYTE:.1f} of {self.settings.max_mem} MB",
            *self.notes[-5:],
        ]

    def note(self, text: str, *, is_quiet: bool = False) -> None:
        """Tell something about the debugger itself; quietly only to whoever asks about it."""
        self.notes.append(text)
        del self.notes[:-_MOST_NOTES]
        if not is_quiet:
            self.ui.notify(text)

    def place_of(self, url: str) -> Place | None:
        """The place of an address; if there is none, say why."""
        try:
            place = self.session.find(parse_url(url))
        except UrlError as exc:
            self.ui.notify(str(exc))
            return None
        if place is None:
            self.ui.notify(f"{url} is not known here")
        return place

    # ------------------------------------------------------------------ for feeds

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages of so many bytes were taken into the store.

        :param is_debugger: They tell of a debugger's machine. If that is this one, or looks at this
            one, a transition for each message would make the next message, without end.
        """
        if is_debugger:
            self.grown()
        else:
            self.machine.add("ClientMsg")
        if self.memory.took(nbytes):
            self.check_memory()

    async def turn(self) -> None:
        """Between two slices of what comes in: keys have their turn, then others; and where memory
        is short, it comes no faster than what is old can go."""
        await self.pace.turn()
        await self._has_room()

    async def loaded(self, transitions: int) -> None:
        """So many transitions more of a dump were taken into the store; wait where memory is
        short."""
        if self.memory.took(_DUMPED_BYTES * transitions):
            self.check_memory()
        await self._has_room()

    async def _has_room(self) -> None:
        if self.memory.is_short and "GcMsgs" in self.machine:
            await self.machine.when_not("GcMsgs")

    def grown(self) -> None:
        """More is known: what is shown grows, and in tail mode the cursor goes along."""
        view = self.session.selected
        self.ui.invalidate(Part.CLIENTS, Part.STATUS, lazily=True)
        if "FactsPage" in self.machine:
            self.ui.invalidate(Part.PAGE, lazily=True)
        if view is None:
            return
        if view.client.pending is not view.pending:
            view.pending = view.client.pending
            self.ui.invalidate(Part.READER)
        visible = view.visible
        is_tail = "TailMode" in self.machine
        # Where the cursor goes along, quiet ones that come join those under it.
        visible.pin(0 if is_tail else view.cursor)
        known = (len(visible), visible.last)
        visible.extend()
        if (len(visible), visible.last) != known:
            grown = (Part.BARS, Part.TIMELINES, Part.LOG, Part.MATRIX)
            self.ui.invalidate(*grown, lazily=True)
        if is_tail and self.session.to_end():
            self.moved(lazily=True)

    async def watch_memory(self) -> None:
        """Look after memory, for as long as it is not cancelled."""
        while True:
            self.check_memory()
            await trio.sleep(MEMORY_INTERVAL)

    def check_memory(self) -> None:
        """Begin to drop what is old, if too much is held."""
        if self.made_room:
            count, self.made_room = self.made_room, 0
            self.note(f"{count} machines were forgotten for others to come")
        self.look_at_memory()
        if self.memory.is_over:
            self.machine.add("GcMsgs")

    def look_at_memory(self) -> None:
        """See how much is held, and show it."""
        held = self.session.store.nbytes + self.session.parser.nbytes
        self.memory.looked(held, self.settings.max_bytes)
        self.ui.invalidate(Part.STATUS, lazily=True)
