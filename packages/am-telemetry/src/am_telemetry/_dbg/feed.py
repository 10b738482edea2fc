"""What the hub tells, as entries of an outbox."""

from __future__ import annotations

import struct
from time import time_ns
from typing import TYPE_CHECKING, Any, TypeAlias

from . import messages as m
from .codec import pack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import am_machine as am

    from .._hub import MachineLink
    from .outbox import Entry, Outbox, Track

_KINDS = {"add": 0, "remove": 1, "set": 2}
_FLAGS = {"queued": m.QUEUED, "check": m.CHECK, "blocked": m.AUTO}
_MOST_TEXTS = 1000  # handlers, log lines or frames of one entry
_MARK = "…"  # begins what is cut, or was no text
_WIDEST = 1 << 62
MAX_ENTRY = 512 << 10
"""Bytes of one entry."""
# Kinds of entries whose bytes are kept.
_MOST_SHAPES = 1000
# Times from here on take eight bytes.
_LEAST_TIME = 1 << 32
_pack_time = struct.Struct(">BQ").pack
_TICKS = [bytes((n,)) for n in range(128)]
_NO_SOURCE_NO_ARGS = b"\xc0\xc0"

# Machine, kind, called, changes, accepted, auto, with details.
_Shape: TypeAlias = tuple[int, str, tuple[int, ...], tuple[tuple[int, int], ...], bool, bool, bool]


class Feed:
    """Puts what machines did into an outbox."""

    def __init__(self, outbox: Outbox, *, stacks: bool = True) -> None:
        self.outbox = outbox
        self._stacks = stacks
        self._packed: dict[_Shape, tuple[bytes, bytes]] = {}
        # Losses whose place is known once the next entry tells the clock: count, time.
        self._lost: dict[int, tuple[int, int]] = {}

    def begin(self, link: MachineLink, clock: Sequence[int]) -> Track:
        """A machine came, with this clock."""
        return self.outbox.track(link, clock)

    def entries(
        self, track: Track, entries: Sequence[am.JournalEntry], *, is_detailed: bool = False
    ) -> None:
        """A machine did something; `is_detailed`: it is told with all that level 2 knows of it."""
        outbox, h = self.outbox, track.h
        if self._lost and h in self._lost:
            count, at = self._lost.pop(h)
            outbox.lose(track, count, at, entries[0].before)
        items: list[Entry] = []
        for entry in entries:
            handlers = entry.handlers
            if handlers is not track.tail_handlers and handlers != track.tail_handlers:
                outbox.add_all(track, items, entry.at)
                items = []
                outbox.rebind(track, handlers)
            details = entry.details if is_detailed else None
            if details is None or details.what == "transition":
                wire = self._usual(h, entry, details)
                if wire is None:
                    wire = fitting(h, entry_list(entry, details))
                items.append((track, wire, entry.changes))
            else:
                wire = fitting(h, beside_list(entry, details, stacks=self._stacks))
                items.append((track, wire, ()))
        outbox.add_all(track, items, entries[-1].at)

    def _usual(
        self, h: int, entry: am.JournalEntry, details: am.JournalDetails | None
    ) -> bytes | None:
        """The wire form of an entry of the usual kind, put together of what was packed before: most
        differ from others in id, time and queue tick alone. None if it has to be packed anew."""
        (
            at, kind, called, _, _, queue_tick, accepted, is_broken, _, is_auto, source, number,
            args, vetoed, failed, changes, _, _,
        ) = entry  # fmt: skip
        if is_broken or vetoed or failed is not None or not _LEAST_TIME <= at < _WIDEST:
            return None
        key = (h, kind, called, changes, accepted, is_auto, details is not None)
        found = self._packed.get(key)
        if found is None:
            found = self._pack_shape(key, entry)
        tail = _NO_SOURCE_NO_ARGS
        if source is not None or args:
            tail = pack(None if source is None else source_list(source))
            tail += pack(shown_args(args) if args else None)
        if details is not None:
            # As a list, without the byte that opens it.
            tail += pack(detail_fields(details, None))[1:]
        before, after = found
        tick = _TICKS[queue_tick] if 0 <= queue_tick < 128 else pack(max(queue_tick, 0))
        wire = b"".join((before, bytes.fromhex(number), _pack_time(0xCF, at), after, tick, tail))
        return wire if len(wire) <= MAX_ENTRY else None

    def _pack_shape(self, key: _Shape, entry: am.JournalEntry) -> tuple[bytes, bytes]:
        """What entries have in common that do the same: their bytes before the id, and those
        between time and queue tick."""
        if len(self._packed) >= _MOST_SHAPES:
            self._packed.clear()
        fields = entry_list(entry)[:9]
        opened = b"\xdc\x00\x10\xc4\x08" if key[-1] else b"\x99\xc4\x08"
        start = b"".join((b"\x92", pack(key[0]), opened))
        found = self._packed[key] = (start, b"".join([pack(field) for field in fields[2:6]]))
        return found

    def lost(self, track: Track, count: int, at: int) -> None:
        """So many entries of a machine never came here; 0: it is not known whether."""
        before, first = self._lost.get(track.h, (0, at))
        self._lost[track.h] = (before + count, first)

    def settle(self) -> None:
        """No entry comes any more: what was lost is only counted."""
        for count, _ in self._lost.values():
            self.outbox.count_lost(count)
        self._lost.clear()

    def end(self, track: Track, at: int) -> None:
        """A machine went."""
        if track.h in self._lost:
            count, lost_at = self._lost.pop(track.h)
            machine = track.link.machine
            clock = track.link.ticks if machine is None else tuple(machine.time())
            self.outbox.lose(track, count, lost_at, clock)
        self.outbox.end(track, at)


def entry_list(entry: am.JournalEntry, details: am.JournalDetails | None = None) -> list[Any]:
    """An entry of a journal in the fixed order of transitions."""
    flags = m.ACCEPTED if entry.accepted else 0
    if entry.is_auto:
        flags |= m.AUTO
    vetoed: tuple[str, ...] | None = entry.vetoed or None
    if entry.failed is not None or entry.is_broken:
        flags |= m.ERROR
        vetoed = (*entry.vetoed, entry.failed or "")
    diff = [number for pair in entry.changes for number in pair]
    source = entry.source
    fields: list[Any] = [
        bytes.fromhex(entry.id),
        max(entry.at, 0),
        _KINDS[entry.kind],
        flags,
        entry.called,
        diff,
        max(entry.queue_tick, 0),
        None if source is None else source_list(source),
        shown_args(entry.args) if entry.args else None,
    ]
    if details is not None:
        fields += detail_fields(details, vetoed)
    elif vetoed is not None:
        fields += [None, None, None, None, vetoed]
    return fields


def detail_fields(details: am.JournalDetails, vetoed: Sequence[str] | None) -> list[Any]:
    """What level 2 knows of a transition, the seven fields after its arguments."""
    _, duration, queue_len, number, log, handlers, _ = details
    if len(handlers) > _MOST_TEXTS:
        handlers = handlers[:_MOST_TEXTS]
    return [duration, queue_len, number, lines(log) if log else (), vetoed, None, handlers]


def beside_list(
    entry: am.JournalEntry, details: am.JournalDetails, *, stacks: bool = True
) -> list[Any]:
    """An entry that moves no clock: a mutation that was queued while a transition ran, a check, an
    auto mutation that came to nothing."""
    flags = _FLAGS[details.what] | (m.ACCEPTED if entry.accepted else 0)
    fields: list[Any] = [
        bytes.fromhex(entry.id),
        max(entry.at, 0),
        _KINDS[entry.kind],
        flags,
        entry.called,
        None,
        max(entry.queue_tick, 0) if details.what == "queued" else 0,
        None if entry.source is None else source_list(entry.source),
        shown_args(entry.args) if entry.args else None,
    ]
    if details.what == "queued":
        fields += [None, None, details.number]
        if stacks and details.seen is not None:
            fields += [None, None, details.seen]
        return fields
    # A check ends with the first vote against it.
    ran = [name for name, _ in details.handlers]
    return fields + detail_fields(details, None if entry.accepted or not ran else ran[-1:])


def fitting(h: int, fields: list[Any]) -> bytes:
    """The wire form of an entry. One that is too large goes without its log and stack, then
    without its arguments: clocks and causes are what counts."""
    wire = pack([h, fields])
    if len(wire) > MAX_ENTRY:
        for i in (12, 14):
            if i < len(fields):
                fields[i] = None
        wire = pack([h, fields])
    if len(wire) > MAX_ENTRY:
        fields[8] = None
        wire = pack([h, fields])
    return wire


def source_list(source: am.Source) -> list[Any]:
    """What caused something: machine, transition, machine time before it."""
    try:
        number = bytes.fromhex(source.transition_id)
    except ValueError:
        number = b""
    at = source.time if 0 <= source.time <= _WIDEST else 0
    return [source.machine_id[: m.MAX_ID], number if len(number) == 8 else None, at]


def shown_args(args: Mapping[str, Any]) -> dict[str, m.Scalar]:
    """Logged arguments as they travel; what is cut, or no text or number of the wire, is marked."""
    return {key[: m.MAX_ARG]: _shown(value) for key, value in args.items()}


def _shown(value: Any) -> m.Scalar:
    if type(value) is str:
        # The engine cut what was longer.
        return value if len(value) < m.MAX_ARG else _MARK + value[: m.MAX_ARG - 1]
    if type(value) is int and not -_WIDEST <= value <= _WIDEST:
        bits = value.bit_length()
        return f"{_MARK}{value}"[: m.MAX_ARG] if bits < 800 else f"{_MARK}int of {bits} bits"
    scalar: m.Scalar = value
    return scalar


def lines(log: Sequence[tuple[int, str]]) -> list[tuple[int, str]]:
    """Log lines as they travel."""
    return [(int(level), text[: m.MAX_LINE]) for level, text in log[:_MOST_TEXTS]]


def now() -> int:
    """Microseconds since 1970."""
    return time_ns() // 1000


def pending_message(h: int, pending: am.Pending) -> m.PendingMsg:
    """What is not over yet on a machine, as it travels."""
    found = [
        m.PendingDef(
            item.kind,
            item.label[: m.MAX_ID],
            tuple([str(state) for state in item.states[: m.MAX_ARG]]),
            None if item.age is None else max(int(item.age * 1e6), 0),
        )
        for item in (*pending.waits, *pending.contexts, *pending.tasks, *pending.queue)
    ]
    return m.PendingMsg(h, tuple(found[:_MOST_TEXTS]))
