"""What the writer does to a file in one transaction: entering machines, writing their records."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from .._errors import HistoryError
from ._batch import Rows, add_clock, add_step
from ._claims import Claim, own_claim
from ._ledger import Clock, Edition, check_writer, enroll, own_writer, register, stored_schema
from ._tables import in_transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ._ledger import Ledger
    from ._member import Member
    from ._notes import Layout
    from ._trail import Step

LOCAL = (sqlite3.Error, ValueError, TypeError, OverflowError, LookupError, AttributeError)
"""Errors that may be of one record only."""
_OF_RECORD = (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH)


def is_of_record(exc: BaseException) -> bool:
    """Whether it may be one record that is at fault."""
    if isinstance(exc, sqlite3.OperationalError):
        return False  # also those of the module itself, which have no code
    code = getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_CONSTRAINT)
    return isinstance(exc, LOCAL) and (code & 0xFF) in _OF_RECORD


def is_of_disk(exc: BaseException) -> bool:
    """Whether the file or the disk is at fault, so that nothing else can be written either.

    A damaged page may be in the way of one machine only.
    """
    damaged = getattr(exc, "sqlite_errorcode", None) == sqlite3.SQLITE_CORRUPT
    return not is_of_record(exc) and not damaged


class Pages:
    """Writes to one file. Belongs to the writer's thread."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self.db = db
        self.path = path
        self._own = own_claim()
        self._writer: int | None = None
        self._editions: dict[tuple[tuple[str, ...], tuple[str, ...], str | None], Edition] = {}
        self._states: dict[str, int] = {}
        self._dead: dict[int, Claim] = {}

    # ------------------------------------------------------------------ entering

    def enter(self, member: Member, clock: Clock) -> tuple[Ledger, Edition]:
        """Enter a machine. In a transaction.

        :raises HistoryError: if another process records it.
        """
        check_writer(self.db, member.machine_id, self._own, self._dead, member.take_over)
        layout = member.layout(len(clock.time))
        schema = member.schema(layout)
        if schema is None:
            schema = stored_schema(self.db, member.machine_id, layout.names)
        edition = self._edition(layout, schema)
        assert self._writer is not None
        ledger = enroll(self.db, member.machine_id, clock, edition, self._writer)
        return ledger, edition

    def _edition(self, layout: Layout, schema: str | None) -> Edition:
        key = (layout.names, layout.tracked, schema)
        known = self._editions.get(key)
        if known is None:
            known = self._editions[key] = register(self.db, layout, schema, self._states)
        return known

    def transaction(self, work: Callable[[], None], durable: bool) -> None:
        """Do the work as this process, all or nothing."""

        def begin() -> None:
            self._writer = own_writer(self.db, self._own, self._writer)
            work()

        writer = self._writer
        try:
            if durable:
                self.db.execute("PRAGMA synchronous = FULL")
            in_transaction(self.db, begin)
        except BaseException:
            # What was entered is not there.
            self._writer, self._editions, self._states = writer, {}, {}
            raise

    # ------------------------------------------------------------------ records

    def write(self, members: Sequence[Member]) -> dict[Member, HistoryError]:
        """Write all that these members have, and return those that are written by others now."""
        durable = any(member.durable for member in members)
        self._grow(members, durable)
        lost: dict[Member, HistoryError] = {}
        drafts: dict[Member, Ledger] = {}
        left_out: list[Callable[[], None]] = []

        def work() -> None:
            rows = Rows()
            lost.update(self._fence(members))
            for member in members:
                if member in lost:
                    continue
                draft = drafts[member] = member.ledger.draft()
                left_out.extend(_fill(rows, member, draft))
            rows.insert(self.db)

        self.transaction(work, durable)
        for member, draft in drafts.items():
            member.wrote(draft)
            member.clock = None
            member.through()
        for tell in left_out:
            tell()
        return lost

    def _fence(self, members: Sequence[Member]) -> dict[Member, HistoryError]:
        """Who is written by another process meanwhile, or is not in the file any more."""
        wanted = ",".join(str(member.ledger.machine) for member in members)
        sql = "SELECT id FROM machines WHERE id IN (SELECT value FROM json_each(?)) AND writer = ?"
        own = {id_ for (id_,) in self.db.execute(sql, (f"[{wanted}]", self._writer))}
        return {m: self._taken(m) for m in members if m.ledger.machine not in own}

    def _taken(self, member: Member) -> HistoryError:
        sql = (
            "SELECT host, pid, start FROM machines LEFT JOIN writers ON writers.id = writer"
            " WHERE machine_id = ?"
        )
        row = self.db.execute(sql, (member.machine_id,)).fetchone()
        if row is None:
            return HistoryError(f"{member.machine_id!r} was deleted from {self.path}")
        by = "somebody" if row[0] is None else str(Claim(*row))
        return HistoryError(f"{member.machine_id!r} in {self.path} was taken over by {by}")

    def _grow(self, members: Sequence[Member], durable: bool) -> None:
        """Enter the layouts of machines that grew, before anything refers to them."""
        grown = [(m, size) for m in members for size in m.new_sizes()]
        editions: list[Edition] = []

        def work() -> None:
            for member, size in grown:
                layout = member.layout(size)
                editions.append(self._edition(layout, member.schema(layout)))

        if grown:
            self.transaction(work, durable)
            for (member, size), edition in zip(grown, editions, strict=True):
                member.knows(size, edition)


def _fill(rows: Rows, member: Member, draft: Ledger) -> list[Callable[[], None]]:
    """Put a member's records and clocks on the page; return how to tell of those left out."""
    told: list[Callable[[], None]] = []
    for step in member.waiting:
        try:
            add_step(rows, draft, step, member.edition(step.size))
        except Exception as exc:  # a text that is none, a number too large
            draft.carried |= {i: tick for i, tick, _ in step.moves}

            def tell(step: Step = step, exc: Exception = exc) -> None:
                member.leave_out(step, exc)

            told.append(tell)
    clock = member.clock
    if member.waiting:
        last = member.waiting[-1]
        draft.next_id = max(draft.next_id, last.id + 1)
        if clock is None or last.time_sum > sum(clock.time):  # it went on after it was asked
            ticks = draft.ticks.copy()
            for i, tick in draft.carried.items():
                ticks[i] = tick
            clock = Clock(ticks, last.queue_tick, last.machine_tick)
    if clock is not None:
        version = member.edition(len(clock.time)).version
        add_clock(rows, draft, version, clock, member.has_left)
    return told


def claim(
    pages: Pages,
    joining: Sequence[tuple[Member, Clock]],
    members: dict[str, Member],
    check: Callable[[], None],
) -> list[HistoryError | None]:
    """Enter machines among the ``members``, if need be one by one; return what was wrong."""
    try:
        check()
        return _enter(pages, joining, members)
    except Exception as exc:
        if len(joining) == 1:
            error = HistoryError(f"cannot use {pages.path}: {exc}")
            error.__cause__ = exc
            return [error]
    return [claim(pages, [each], members, check)[0] for each in joining]


def _enter(
    pages: Pages, joining: Sequence[tuple[Member, Clock]], members: dict[str, Member]
) -> list[HistoryError | None]:
    """Enter machines in one transaction."""
    results: list[HistoryError | None] = []
    begun: dict[str, tuple[Member, Ledger, Clock, Edition]] = {}

    def work() -> None:
        for member, clock in joining:
            id_ = member.machine_id
            if id_ in members or id_ in begun:
                results.append(HistoryError(f"{id_!r} has a history already"))
                continue
            try:
                ledger, edition = pages.enter(member, clock)
            except HistoryError as exc:
                results.append(exc)
            else:
                begun[id_] = (member, ledger, clock, edition)
                results.append(None)

    pages.transaction(work, any(member.durable for member, _ in joining))
    for id_, (member, ledger, clock, edition) in begun.items():
        member.begin(ledger, clock, edition)
        members[id_] = member
    return results
