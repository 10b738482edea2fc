"""What handlers may ask of others: of a screen, the one way to widgets, and of files."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple, Protocol

from .._errors import DebuggerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.client import Client
    from .._store.store import Store


class Part(Enum):
    """Parts of the screen that are drawn by themselves."""

    CLIENTS = "clients"
    SCHEMA = "schema"
    LOG = "log"
    READER = "reader"
    BARS = "bars"
    TIMELINES = "timelines"
    MATRIX = "matrix"
    STATUS = "status"
    ADDRESS = "address"
    TOOLBARS = "toolbars"
    LAYOUT = "layout"
    DIALOG = "dialog"
    PAGE = "page"
    FOUND = "found"
    """What a query has found."""


CURSOR_PARTS = (
    Part.CLIENTS, Part.SCHEMA, Part.LOG, Part.READER, Part.BARS, Part.TIMELINES, Part.MATRIX,
    Part.STATUS, Part.ADDRESS,
)  # fmt: skip
"""What shows where the cursor is."""
CONTENT_PARTS = tuple([part for part in Part if part not in (Part.LAYOUT, Part.DIALOG)])
"""All that is shown, where it is shown: nothing comes, goes or moves."""


class UiPort(Protocol):
    """A screen. None of these waits, and none raises."""

    def invalidate(self, *parts: Part, lazily: bool = False) -> None:
        """These parts are to be drawn anew: at once, or lazily if nobody has pressed a key for
        it."""
        ...

    def repaint(self) -> None:
        """All is to be drawn anew, what did not change, too: others wrote to the terminal."""
        ...

    def notify(self, text: str) -> None:
        """Tell the user something in a line."""
        ...

    def focus(self, state: str) -> None:
        """The pane of this focus state has the focus now."""
        ...

    def find(self, text: str, *, forward: bool) -> bool:
        """Put the reader's cursor on the next row that has a text; False if there is none."""
        ...


class NullUi:
    """No screen: notes what was told, for whoever looks."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.invalid: set[Part] = set()

    def invalidate(self, *parts: Part, lazily: bool = False) -> None:
        """Note the parts."""
        self.invalid.update(parts)

    def repaint(self) -> None:
        """Note all parts."""
        self.invalid.update(Part)

    def notify(self, text: str) -> None:
        """Note the text; the last 100 are kept."""
        self.told.append(text)
        del self.told[:-100]

    def focus(self, state: str) -> None:
        """Nothing has the focus."""

    def find(self, text: str, *, forward: bool) -> bool:
        """Nothing is shown."""
        return False


class Progress(NamedTuple):
    """How far a dump is read or written."""

    share: float
    """Of 1."""
    transitions: int
    """How many."""
    warnings: tuple[str, ...] = ()
    """What was wrong, once it is read."""


class FilesPort(Protocol):
    """Dumps. Both work in small steps and yield how far they are."""

    def read(self, store: Store, path: str) -> Iterator[Progress]:
        """Take a dump in.

        :raises DebuggerError: if it is none.
        :raises OSError: if it cannot be read.
        """
        ...

    def write(self, store: Store, path: str, moment: int | None) -> Iterator[Progress]:
        """Write all machines, or only a moment of them.

        :raises DebuggerError: if it cannot be written that way.
        :raises OSError: if it cannot be written.
        """
        ...


class NoFiles:
    """No files: every call says so."""

    def read(self, store: Store, path: str) -> Iterator[Progress]:
        """Refuse."""
        raise DebuggerError("dumps cannot be read here")

    def write(self, store: Store, path: str, moment: int | None) -> Iterator[Progress]:
        """Refuse."""
        raise DebuggerError("dumps cannot be written here")


class WishesPort(Protocol):
    """What may be asked of those who tell of machines."""

    def detail_of(self, client: Client) -> int | None:
        """The level of detail a machine is wanted at: 0 mute, 1 journal, 2 everything. None if
        nobody tells of it now."""
        ...

    def want_detail(self, client: Client, level: int) -> None:
        """Want a machine at a level of detail from now on."""
        ...

    def ask_pending(self, client: Client) -> bool:
        """Ask what a machine waits for; False if nobody can be asked."""
        ...


class NoWishes:
    """Nobody can be asked."""

    def detail_of(self, client: Client) -> int | None:
        """Nobody tells of it."""
        return None

    def want_detail(self, client: Client, level: int) -> None:
        """Nobody hears it."""

    def ask_pending(self, client: Client) -> bool:
        """Nobody can be asked."""
        return False
