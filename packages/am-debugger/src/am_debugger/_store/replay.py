"""What is kept of a machine, as messages again: for dumps, for other debuggers, for viewers."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from am_telemetry import dbg

from .tx import as_sent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .client import Client
    from .store import Store
    from .versions import Version

NOTE = "[note] "
"""Begins a line of level 0 that is a user's note on the transition before it."""


class Replay:
    """Tells a machine from transition `number` on, and goes on as more comes.

    The receiver knows the machine by `handle`. `via` are the ids of the debuggers that pass the
    stream on. Where transitions went before they were told, that is told as a loss.
    """

    def __init__(
        self,
        store: Store,
        client: Client,
        handle: int,
        *,
        number: int | None = None,
        via: tuple[str, ...] = (),
    ) -> None:
        self._store = store
        self.client = client
        self.handle = handle
        self.number = client.first if number is None else max(number, client.first)
        """The next transition to tell."""
        self._via = via
        self._version: Version | None = None
        self._needs_keyframe = True
        # The transition before which losses were told last, and how many.
        self._loss = (self.number, 0)
        self._noted = self.number - 1
        self._told_line = bisect_right(
            range(len(client.outer_log)),
            self.number - 2,
            key=lambda k: client.outer_log[k].after,
        )
        self._told_gone = False

    def begin(self, *, is_resumed: bool = False) -> list[dbg.Message]:
        """Schema and machine. What comes before counts as lost, unless the receiver has it."""
        client = self.client
        self._version = client.version_at(self.number)
        found: list[dbg.Message] = [
            self._version.schema.sent,
            self._mach(client.clock_before(self.number)),
        ]
        if self.number > 1 and not is_resumed:
            found.append(dbg.Drop(self.handle, self.number - 1, self._time_of(self.number)))
        return found

    def keyframe(self) -> None:
        """The next transition tells its clock."""
        self._needs_keyframe = True

    @property
    def lag(self) -> int:
        """How many transitions wait to be told."""
        return self.client.last + 1 - self.number

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits to be told."""
        client = self.client
        return (
            self.number > client.last
            and self._told_line >= len(client.outer_log)
            and client.version is self._version
            and not self._untold_loss()
            and (client.gone_at is None or self._told_gone)
        )

    def skip_to(self, number: int) -> list[dbg.Message]:
        """Leave out the transitions before `number`: they count as lost."""
        if number <= self.number:
            return []
        lost = number - self.number
        drop = dbg.Drop(self.handle, lost, self._time_of(number))
        self.number = number
        self._needs_keyframe = True
        log = self.client.outer_log
        while self._told_line < len(log) and log[self._told_line].after < number - 1:
            self._told_line += 1
        return [drop]

    def advance(self, limit: int) -> list[dbg.Message]:
        """What is told next: at most `limit` transitions, with all that belongs between them."""
        client = self.client
        found: list[dbg.Message] = []
        batch: list[tuple[int, dbg.Tx]] = []

        def flush() -> None:
            if batch:
                found.append(dbg.Txs(tuple(batch)))
                batch.clear()

        if self.number < client.first:
            found += self.skip_to(client.first)
        end = min(client.last, self.number + limit - 1)
        while True:
            between = self._between()
            if between:
                flush()
                found += between
            if self.number > end:
                break
            batch.append((self.handle, self._entry()))
            self.number += 1
        flush()
        if self.number > client.last:
            found += self._end()
        return found

    def _entry(self) -> dbg.Tx:
        client, number = self.client, self.number
        tx = self._store.tx(client, number)
        clock = None
        if self._needs_keyframe or tx.is_after_gap:
            clock = tuple(client.clock_before(number))
            self._needs_keyframe = False
        return as_sent(client.columns, tx, clock)

    def _between(self) -> list[dbg.Message]:
        """What was told after the latest transition told, and before the next."""
        client = self.client
        found: list[dbg.Message] = []
        log = client.outer_log
        has_passed = self._noted < self.number - 1
        note = client.notes.get(self.number - 1) if has_passed else None
        self._noted = self.number - 1
        if note is not None:
            found.append(dbg.Log(self.handle, self._time_of(self.number - 1), 0, NOTE + note))
        while self._told_line < len(log) and log[self._told_line].after < self.number:
            line = log[self._told_line]
            found.append(dbg.Log(self.handle, line.time, line.level, line.text))
            self._told_line += 1
        if self.number <= client.last or client.version.since == self.number:
            found += self._new_version(client.version_at(self.number))
        untold = self._untold_loss()
        if untold:
            loss = client.losses_at(self.number)
            assert loss is not None
            found.append(dbg.Drop(self.handle, untold, loss.time))
            self._loss = (self.number, loss.lost)
        return found

    def _untold_loss(self) -> int:
        loss = self.client.losses_at(self.number)
        if loss is None:
            return 0
        number, told = self._loss
        return loss.lost - (told if number == self.number else 0)

    def _new_version(self, version: Version) -> list[dbg.Message]:
        if version is self._version:
            return []
        self._version = version
        # Where others were lost before the next one, that tells its own clock.
        clock = self.client.columns.clocks.after(self.number - 1, len(version.names))
        return [version.schema.sent, self._mach(clock)]

    def _end(self) -> list[dbg.Message]:
        """What holds after the latest transition."""
        client = self.client
        if client.gone_at is None:
            self._told_gone = False
            return []
        if self._told_gone:
            return []
        self._told_gone = True
        return [dbg.Gone(self.handle, client.gone_at)]

    def _mach(self, clock: Sequence[int]) -> dbg.Mach:
        assert self._version is not None
        return mach_of(self.client, self._version, clock, self.handle, self._via)

    def _time_of(self, number: int) -> int:
        client = self.client
        if not len(client.columns):
            return 0
        k = min(max(number, client.first), client.last) - client.first
        return client.columns.times.shown[k]


def mach_of(
    client: Client,
    version: Version,
    clock: Sequence[int],
    handle: int,
    via: tuple[str, ...] = (),
) -> dbg.Mach:
    """A machine as it is announced; the clock is that before what follows."""
    process = client.process
    if via:
        process = dbg.Process(
            process.id,
            process.pid,
            process.host,
            process.argv0,
            process.lib,
            process.time,
            (*process.via, *via),
        )
    return dbg.Mach(
        handle,
        client.machine_id,
        client.parent_id,
        client.tags,
        version.schema.sent.hash,
        version.handlers,
        tuple(clock),
        1,
        version.pipes,
        client.lib,
        process,
    )
