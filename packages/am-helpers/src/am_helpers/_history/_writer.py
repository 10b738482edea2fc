"""The thread that owns the connection to a history file and writes the records of its members.

Machines only leave notes with their recorders, so a transition never waits for the disk. Notes of
all members are written in one transaction when `BATCH` of them wait, when the first has waited
`BATCH_DELAY`, when somebody syncs, and at the end. Whoever waits for the thread is answered: by
what it did, or by what kept it from that.

What goes wrong has three sizes. If the disk fails, everybody waits on. If one member's rows cannot
be written, the others go on; it is tried by itself from then on. If one record cannot be written,
it is left out and counted.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from .._errors import HistoryError
from ._batch import rotate
from ._file_id import FileId
from ._requests import Asked, answer
from ._tables import open_writer
from ._transactions import LOCAL, Pages, claim, is_of_disk, is_of_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ._ledger import Clock
    from ._member import Member
    from ._requests import Done

BATCH = 100
BATCH_DELAY = 0.1  # seconds
RETRY_DELAY = 1.0  # seconds between tries while a member cannot be written
MOST_NOTES = 20_000
"""How many records one transaction writes at most, but for the last member's."""


class Writer:
    """Opens a file in a thread of its own and writes until its last member has left.

    All methods may be called in any thread and do not block. ``done`` is called in the writer's
    thread with an error or None, once. `closed` is set when the file is closed.
    """

    def __init__(self, path: Path, before_close: Callable[[], object]) -> None:
        self.path = path
        self._before_close = before_close
        self.closed = threading.Event()
        self._changed = threading.Condition()
        # Members that have notes, and until when these may wait, earliest first.
        self._due: dict[Member, float] = {}
        self._is_full = False
        self._asking = Asked()
        self._holds = 0
        self._is_over = False
        # The writer's thread only:
        self._asked = Asked()
        self._members: dict[str, Member] = {}
        self._sick: dict[Member, float] = {}
        self._farewells: list[tuple[Done, HistoryError | None]] = []
        self._thread = threading.Thread(target=self._run, name=f"history {path.name}")

    def start(self) -> None:
        """Begin. Somebody has to join or hold before, or it ends at once."""
        try:
            self._thread.start()
        except RuntimeError as exc:  # the system has no thread left
            self._fail_all(exc)
            self.closed.set()

    # ------------------------------------------------------------------ from any thread

    def join(self, member: Member, clock: Clock, done: Done) -> bool:
        """Enter a member. False if the thread has ended; then nothing is called."""
        with self._changed:
            if self._is_over:
                return False
            self._asking.joining.append((member, clock, done))
            self._changed.notify()
            return True

    def hold(self, done: Done) -> bool:
        """Stay open without members, until `release`. False if the thread has ended."""
        with self._changed:
            if self._is_over:
                return False
            self._holds += 1
            self._asking.holding.append(done)
            self._changed.notify()
            return True

    def release(self, done: Done) -> bool:
        """Undo a `hold`. False if the thread has ended."""
        with self._changed:
            if self._is_over:
                return False
            self._holds -= 1
            self._asking.releasing.append(done)
            self._changed.notify()
            return True

    def wake(self, member: Member) -> None:
        """There is a first note, or a batch. Called in transitions, so it does little."""
        with self._changed:
            due = self._due
            is_first = not due
            if member not in due:
                due[member] = time.monotonic() + BATCH_DELAY
            if len(due) >= BATCH or len(member.recorder) >= BATCH:
                self._is_full = True
                self._changed.notify()
            elif is_first:
                self._changed.notify()

    def sync(self, clocks: Iterable[tuple[Member, Clock]], done: Done) -> bool:
        """Have all that these members noted written, and their clocks of now.

        Returns False, and calls nothing, if the thread has ended.
        """
        with self._changed:
            if self._is_over:
                return False
            self._asking.syncing.append((tuple(clocks), done))
            self._changed.notify()
            return True

    def leave(self, member: Member, clock: Clock, done: Done) -> bool:
        """Write the rest of a member and forget it. False if the thread has ended."""
        with self._changed:
            if self._is_over:
                return False
            self._asking.leaving.append((member, clock, done))
            self._changed.notify()
            return True

    @property
    def is_over(self) -> bool:
        """Whether the thread has ended, or is about to."""
        return self._is_over

    def wait_closed(self) -> None:
        """Wait for the end of the thread. Blocks."""
        if self._thread.ident is not None:  # or it never began
            self._thread.join()

    # ------------------------------------------------------ the writer's thread

    def _run(self) -> None:
        try:
            db = open_writer(self.path)
            try:
                self._work(db)
            finally:
                with suppress(Exception):
                    self._before_close()
                with suppress(sqlite3.Error):  # all is written; a check point may come later
                    db.close()
            self._say_farewell()
        except BaseException as exc:  # of any kind: those who wait must be told
            self._fail_all(exc)
        finally:
            self.closed.set()

    def _work(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._pages = Pages(db, self.path)
        self._file = FileId(self.path)
        while True:
            with self._changed:
                while not self._is_time():
                    self._changed.wait(self._patience())
                self._asked, self._asking = self._asking, Asked()
                due, self._due, self._is_full = self._due, {}, False
                if not self._asked and not due and self._is_idle():
                    self._is_over = True
                    return
            self._say_farewell()
            asked = self._asked
            for done in asked.holding:
                answer(done, None)
            urgent: set[Member] = set()
            for member, clock in asked.clocks():
                member.clock = clock
                urgent.add(member)
            for member, _, _ in asked.leaving:
                member.has_left = True
            members = dict.fromkeys((*due, *urgent, *self._recovering()))
            self._settle(asked, self._write([*members], urgent))
            self._enroll(asked.joining)  # whose ids may have become free just now
            if not self._is_idle():
                self._say_farewell()

    def _is_idle(self) -> bool:
        return not self._members and not self._holds

    def _is_time(self) -> bool:
        return bool(self._asking) or self._is_full or self._is_idle() or self._patience() == 0

    def _patience(self) -> float | None:
        """Seconds until something is due."""
        firsts = [next(iter(waiting.values())) for waiting in (self._due, self._sick) if waiting]
        return max(0.0, min(firsts) - time.monotonic()) if firsts else None

    def _recovering(self) -> list[Member]:
        """Failing members whose next try is due."""
        now = time.monotonic()
        return [member for member, until in self._sick.items() if until <= now]

    # ------------------------------------------------------------------ joining and leaving

    def _enroll(self, joining: list[tuple[Member, Clock, Done]]) -> None:
        if not joining:
            return
        pairs = [(member, clock) for member, clock, _ in joining]
        results = claim(self._pages, pairs, self._members, self._file.check)
        self._file.note()
        for (_, _, done), error in zip(joining, results, strict=True):
            answer(done, error)

    def _settle(self, asked: Asked, errors: dict[Member, HistoryError]) -> None:
        """Answer those who asked."""
        for clocks, done in asked.syncing:
            failed = [errors[member] for member, _ in clocks if member in errors]
            answer(done, failed[0] if failed else None)
        for member, _, done in asked.leaving:
            if member in errors:
                member.lose(errors[member])
            self._sick.pop(member, None)
            if self._members.get(member.machine_id) is member:
                del self._members[member.machine_id]
            self._farewells.append((done, member.ended))
        self._farewells += [(done, None) for done in asked.releasing]

    def _say_farewell(self) -> None:
        """Answer those who left; the last ones once the file is closed."""
        farewells, self._farewells = self._farewells, []
        for done, error in farewells:
            answer(done, error)

    def _fail_all(self, exc: BaseException) -> None:
        """The thread ends without having been asked to."""
        error = exc if isinstance(exc, HistoryError) else HistoryError(f"{self.path}: {exc!r}")
        if error is not exc:
            error.__cause__ = exc
        with self._changed:
            self._is_over = True
            waiting = (self._asked, self._asking)
        for member in self._members.values():
            with suppress(Exception):
                member.lose(error)
        self._say_farewell()
        for asked in waiting:
            for done in asked.all_done():
                answer(done, error)

    # ------------------------------------------------------------------ writing

    def _write(self, members: list[Member], urgent: set[Member]) -> dict[Member, HistoryError]:
        """Write what these members have; return what went wrong with which."""
        errors: dict[Member, HistoryError] = {}
        well: list[Member] = []
        sick: list[Member] = []
        trying = {*urgent, *self._recovering()}
        notes = 0
        for member in members:
            if member.has_left and member not in urgent:
                continue  # woken by its last notes, which are written
            if member.ended is not None:
                member.discard()
            elif member in trying or not member.is_failing:
                try:
                    member.collect()
                except Exception as exc:
                    self._fail([member], exc, errors)
                    continue
                (sick if member.is_failing else well).append(member)
                notes += len(member.waiting)
                if notes >= MOST_NOTES:
                    self._write_together(well, errors)
                    well, notes = [], 0
        self._write_together(well, errors)
        self._write_together(sick, errors)
        for member in members:
            if not member.has_left or member in urgent:
                self._follow_up(member, errors)
        return errors

    def _write_together(self, members: list[Member], errors: dict[Member, HistoryError]) -> None:
        if not members:
            return
        try:
            self._try(members)
        except Exception as exc:
            if is_of_disk(exc):
                self._fail(members, exc, errors)
                return
            for number, member in enumerate(members):  # find out whose rows it is
                try:
                    self._write_alone(member)
                except Exception as its:
                    self._fail(members[number:] if is_of_disk(its) else [member], its, errors)
                    if is_of_disk(its):
                        return

    def _fail(
        self, members: list[Member], exc: Exception, errors: dict[Member, HistoryError]
    ) -> None:
        error = HistoryError(f"cannot write {self.path}: {exc}")
        error.__cause__ = exc
        for member in members:
            member.fail(error)
            errors[member] = error

    def _write_alone(self, member: Member) -> None:
        try:
            self._try([member])
        except LOCAL as exc:
            if not is_of_record(exc) or not member.waiting:
                raise
            self._halve(member)

    def _halve(self, member: Member) -> None:
        """Write what can be written, and leave out the records that cannot."""
        left = member.waiting
        while left:
            count = len(left)
            while True:
                member.waiting = left[:count]
                try:
                    self._try([member])
                    break
                except LOCAL as exc:
                    if not is_of_record(exc):
                        member.waiting = left
                        raise
                    if count == 1:
                        member.leave_out(left[0], exc)
                        member.skip(left[:1])
                        break
                    count //= 2
            left = left[count:]
        member.waiting = []

    def _try(self, members: list[Member]) -> None:
        self._file.check()
        for member, error in self._pages.write(members).items():
            member.lose(error)
        self._file.note()

    def _follow_up(self, member: Member, errors: dict[Member, HistoryError]) -> None:
        """Rotate, try again later, or hear of the next note."""
        if member.ended is not None:
            errors[member] = member.ended
            self._sick.pop(member, None)
        elif member.is_failing:
            if member in errors:  # and moves behind those that were tried before
                self._sick.pop(member, None)
                self._sick[member] = time.monotonic() + RETRY_DELAY
        else:
            self._sick.pop(member, None)
            try:
                rotate(self._db, member.ledger, member.config.max_records)
            except Exception as exc:  # the records are safe; the next batch rotates again
                member.tell(HistoryError(f"cannot rotate {self.path}: {exc}"))
            if not member.has_left and not member.recorder.rest():
                self.wake(member)
