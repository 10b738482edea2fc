"""What is fed by the hub: metrics, traces, logs, the debugger's stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .link import MachineLink

Batch: TypeAlias = "Sequence[tuple[MachineLink, Sequence[am.JournalEntry]]]"
"""What machines did, sorted by time: each with what it did in a row, at least one entry."""
SHARE = 0.15
"""Of any tenth of a second, for the hub and all that it feeds."""


def time_of_last(entries: Sequence[am.JournalEntry]) -> int:
    """`at` of the last of these entries, which need not be made for it."""
    return entries.until if isinstance(entries, am.JournalPart) else entries[-1].at


class Consumer:
    """Base of what the hub feeds, with calls that do nothing.

    All calls but `bound` and `forked` come in the hub's thread, one after another. They should
    return within a millisecond or two; whatever one raises is counted and logged once per kind,
    and after ten in a row the consumer is detached.
    """

    level = 1
    """1: it gets entries, so machines keep a journal for it. 0: it only hears of machines."""

    @property
    def share(self) -> float:
        """The share of a processor that is worth spending now on what it is told; the hub takes the
        largest of all."""
        return SHARE

    def bound(self, link: MachineLink) -> None:
        """A machine came. In the machine's own thread, between two of its calls or in a handler:
        the machine may be read, and tracers may be bound."""

    def entries(self, batch: Batch) -> None:
        """What machines did, all of one drain sorted by time, those of one machine in order.

        Canceled transitions are among them; checks are not, nor auto mutations that relations
        kept from happening."""

    def lost(self, link: MachineLink, count: int, at: int) -> None:
        """Transitions of a machine were not kept (`at` is in microseconds since 1970); what comes
        next does not go on from the clocks told last. A count of 0 only says the latter."""

    def schema_changed(self, link: MachineLink) -> None:
        """The machine's schema grew; entries from before may still follow."""

    def handlers_changed(self, link: MachineLink) -> None:
        """Handlers were bound or detached; each entry has those of its own time."""

    def pipes_changed(self, link: MachineLink) -> None:
        """Pipes of the machine came or went."""

    def gone(self, link: MachineLink, at: int) -> None:
        """A machine was disposed, detached, or collected; all of its entries were told before."""

    def tick(self, at: float) -> None:
        """Called each turn of the hub, at least each 50 ms, with `time.monotonic()`."""

    def flush(self, deadline: float) -> None:
        """The hub or this consumer is closing: hand on what is kept until `deadline`, by
        `time.monotonic()`; nothing comes after it but another `bound`."""

    def forked(self) -> None:
        """This is a child process now: forget what was kept and let go of connections, without
        sending anything. In the thread that forked; locks of before may be held for ever."""
