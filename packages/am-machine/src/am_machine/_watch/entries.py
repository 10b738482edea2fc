"""What a journal tells of one transition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._causality import Source
    from .journal_details import JournalDetails


class JournalEntry(NamedTuple):
    """One transition that ended."""

    at: int
    """Microseconds since 1970, by the system's clock, which may be set back."""
    kind: str
    """add, remove or set."""
    called: tuple[int, ...]
    """Indexes of the called states."""
    before: tuple[int, ...]
    """Ticks of all states before it …"""
    after: tuple[int, ...]
    """… and after it; longer, if the schema grew in between. Of a journal without `clocks` both
    are empty in most entries: see `Journal`."""
    queue_tick: int
    accepted: bool
    is_broken: bool
    """Whether a final handler failed, so that clocks moved though it was canceled."""
    machine_tick: int
    is_auto: bool = False
    """Whether it was made for auto states."""
    source: Source | None = None
    """Which transition caused it."""
    id: str = ""
    """The transition's id, 16 hex characters; what it caused names it by this."""
    args: Mapping[str, Any] = {}
    """The logged keywords: numbers, bools and None as they are, anything else as text of at most
    256 characters, which is a `Converted` where it is not all; of `err` the type and the
    message."""
    vetoed: tuple[str, ...] = ()
    """The handlers that voted against, in order."""
    failed: str | None = None
    """The handler that raised."""
    changes: tuple[tuple[int, int], ...] = ()
    """(state index, ticks gained) of the states whose clocks moved."""
    handlers: tuple[str, ...] = ()
    """The handler names bound when it ended."""
    details: JournalDetails | None = None
    """What a journal with `details` tells beside; None too where it asked when the transition was
    running already."""
    form: object = None
    """The same object for entries that tell the same, but for time, clocks, queue tick, source, id,
    args, handlers and details; so a reader can keep what it made of the rest. Of entries that
    nothing is kept of, None."""


JournalEntry.__module__ = "am_machine"  # as users and pickles know it
