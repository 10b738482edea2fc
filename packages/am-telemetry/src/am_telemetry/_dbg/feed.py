"""What the hub tells, as entries of an outbox."""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from struct import Struct
from time import time_ns
from typing import TYPE_CHECKING, Any, TypeAlias

import am_machine as am

from . import messages as m
from .codec import pack
from .items import Run
from .records import records

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from .._hub import MachineLink
    from .items import Changes, Track
    from .outbox import Outbox

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
_MOST_TICK = (1 << 32) - 1
# Entries for which columns do not pay.
_FEW = 8
_NO_SOURCE_NO_ARGS = b"\xc0\xc0"

# Whatever entries of a kind differ in.
_DIFFERS = itemgetter(
    *map(
        am.JournalEntry._fields.index,
        ("at", "queue_tick", "source", "id", "args", "changes", "details", "form"),
    )
)
_HANDLERS_OF = itemgetter(am.JournalEntry._fields.index("handlers"))
# A list of so many, of which the first is an id.
_OPENS_9 = b"\x99\xc4\x08"
_OPENS_16 = b"\xdc\x00\x10\xc4\x08"

# What packs an entry of one form, its bytes between time and queue tick, and what it changes.
_Shape: TypeAlias = "tuple[Callable[..., bytes], bytes, Changes]"
# The same by how wide the queue tick is: the byte that announces it, as `struct` writes it.
_WIDTHS = ((b"", "B"), (b"\xcc", "B"), (b"\xcd", "H"), (b"\xce", "I"))


def _width(tick: int) -> int:
    """Which of the widths a queue tick has."""
    return 0 if tick < 0x80 else 1 if tick <= 0xFF else 2 if tick <= 0xFFFF else 3


@lru_cache(256)
def _packs(start: int, middle: int, tick: str) -> Callable[..., bytes]:
    """By the lengths of what is before the id, and between time and queue tick."""
    return Struct(f">{start}s8sBQ{middle}s{tick}2s").pack


class Feed:
    """Puts what machines did into an outbox."""

    def __init__(self, outbox: Outbox, *, stacks: bool = True) -> None:
        self.outbox = outbox
        self._stacks = stacks
        # By the length of what is before the id, then by form.
        self._shapes: dict[int, dict[object, tuple[_Shape, ...]]] = {}
        self._shape_count = 0
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
        columns = entries.columns if isinstance(entries, am.JournalPart) else None
        if columns is not None and not is_detailed and self._put_columns(track, entries, columns):
            return
        begins = 0
        for i, handlers in enumerate(map(_HANDLERS_OF, entries)):
            if handlers is not track.tail_handlers and handlers != track.tail_handlers:
                self._put(track, entries[begins:i], is_detailed=is_detailed)
                outbox.rebind(track, handlers)
                begins = i
        self._put(track, entries[begins:] if begins else entries, is_detailed=is_detailed)

    def _put_columns(
        self, track: Track, entries: Sequence[am.JournalEntry], columns: am.JournalColumns
    ) -> bool:
        """Entries of which nothing is to be told but what these columns have; False if these
        are few or it takes more to tell them, so that nothing was done."""
        forms, times, ticks, ids, handlers, _, after = columns
        least, most = min(ticks), max(ticks)
        width = _width(most)
        if (
            len(forms) < _FEW
            or handlers != track.tail_handlers
            or not 0 <= least <= most <= _MOST_TICK
            or width != _width(least)
            or not _LEAST_TIME <= min(times) <= max(times) < _WIDEST
        ):
            return False
        start = b"".join((b"\x92", pack(track.h), _OPENS_9))
        shapes = self._shapes.setdefault(len(start), {})
        known: dict[object, _Shape] = {}
        for form in set(forms):
            widths = shapes.get(form)
            if widths is None:
                widths = self._shape(len(start), entries[forms.index(form)])
            known[form] = widths[width]
        found = list(map(known.__getitem__, forms)) if len(known) > 1 else [*known.values()]
        middles = [middle for _, middle, _ in found]
        changes = [changed for _, _, changed in found]
        if len(set(map(len, middles))) == 1:
            ends = (start, _NO_SOURCE_NO_ARGS)
            wires = records(ends, ids, times, middles, ticks, 1 << max(width - 1, 0))
        else:
            wires = [
                pack_entry(start, ids[at : at + 8], 0xCF, time, middle, tick, _NO_SOURCE_NO_ARGS)
                for at, (pack_entry, middle, _), time, tick in zip(
                    range(0, len(ids), 8), found, times, ticks, strict=True
                )
            ]
        if len(known) == 1:
            changes *= len(wires)
        run = Run(track, wires, changes, after)
        self.outbox.add(run, times[-1])
        return True

    def _put(self, track: Track, entries: Sequence[am.JournalEntry], *, is_detailed: bool) -> None:
        """Entries between which no handlers were bound or detached."""
        if not entries:
            return
        h = track.h
        wires: list[bytes] = []
        changes: list[Changes] = []
        opened = _OPENS_16 if is_detailed else _OPENS_9
        start = b"".join((b"\x92", pack(h), opened))
        shapes = self._shapes.setdefault(len(start), {})
        fromhex, tail = bytes.fromhex, _NO_SOURCE_NO_ARGS
        for entry, (at, tick, source, number, args, changed, details, form) in zip(
            entries, map(_DIFFERS, entries), strict=True
        ):
            if (
                form is None
                or (is_detailed and details is None)
                or not _LEAST_TIME <= at < _WIDEST
                or not 0 <= tick <= _MOST_TICK
            ):
                told = details if is_detailed else None
                if told is not None and told.what != "transition":
                    changed = ()
                    fields = beside_list(entry, told, stacks=self._stacks)
                else:
                    fields = entry_list(entry, told)
                wires.append(fitting(h, fields))
                changes.append(changed)
                continue
            try:
                widths = shapes[form]
            except KeyError:
                widths = self._shape(len(start), entry)
            # As `_width` has it, without a call.
            pack_entry, middle, _ = widths[
                0 if tick < 0x80 else 1 if tick <= 0xFF else 2 if tick <= 0xFFFF else 3
            ]
            wire = pack_entry(start, fromhex(number), 0xCF, at, middle, tick, tail)
            if is_detailed or args or source is not None:
                wire = _with_tail(wire[:-2], h, entry, details if is_detailed else None)
            wires.append(wire)
            changes.append(changed)
        self.outbox.add(Run(track, wires, changes, entries[-1].after or None), entries[-1].at)

    def _shape(self, start: int, entry: am.JournalEntry) -> tuple[_Shape, ...]:
        """What entries of this one's form have in common."""
        if self._shape_count >= _MOST_SHAPES:
            for known in self._shapes.values():
                known.clear()
            self._shape_count = 0
        middle = b"".join([pack(field) for field in entry_list(entry)[2:6]])
        found = self._shapes[start][entry.form] = tuple(
            [
                (_packs(start, len(middle + opens), tick), middle + opens, entry.changes)
                for opens, tick in _WIDTHS
            ]
        )
        self._shape_count += 1
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


def _with_tail(
    start: bytes, h: int, entry: am.JournalEntry, details: am.JournalDetails | None
) -> bytes:
    """The wire form of an entry of which all up to the queue tick is there."""
    source, args = entry.source, entry.args
    parts = [
        start,
        pack(None if source is None else source_list(source)),
        pack(shown_args(args) if args else None),
    ]
    if details is not None:
        # As a list, without the byte that opens it.
        parts.append(pack(detail_fields(details, None))[1:])
    wire = b"".join(parts)
    return wire if len(wire) <= MAX_ENTRY else fitting(h, entry_list(entry, details))


def _first_fields(
    entry: am.JournalEntry, flags: int, diff: list[int] | None, queue_tick: int
) -> list[Any]:
    """The nine fields that every entry has."""
    return [
        bytes.fromhex(entry.id),
        max(entry.at, 0),
        _KINDS[entry.kind],
        flags,
        entry.called,
        diff,
        max(queue_tick, 0),
        None if entry.source is None else source_list(entry.source),
        shown_args(entry.args) if entry.args else None,
    ]


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
    fields = _first_fields(entry, flags, diff, entry.queue_tick)
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
    queue_tick = entry.queue_tick if details.what == "queued" else 0
    fields = _first_fields(entry, flags, None, queue_tick)
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
    if isinstance(value, str):
        is_whole = len(value) <= m.MAX_ARG and not isinstance(value, am.Converted)
        return str(value) if is_whole else _MARK + value[: m.MAX_ARG - 1]
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
