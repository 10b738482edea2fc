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
    from .detail import Extras
    from .outbox import Outbox, Track

_KINDS = {"add": 0, "remove": 1, "set": 2}
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

# Machine, kind, called, changes, accepted, auto.
_Shape: TypeAlias = tuple[int, str, tuple[int, ...], tuple[tuple[int, int], ...], bool, bool]


class Feed:
    """Puts what machines did into an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self._packed: dict[_Shape, tuple[bytes, bytes]] = {}
        # Losses whose place is known once the next entry tells the clock: count, time.
        self._lost: dict[int, tuple[int, int]] = {}

    def begin(self, link: MachineLink, clock: Sequence[int]) -> Track:
        """A machine came, with this clock."""
        return self.outbox.track(link, clock)

    def entry(self, track: Track, entry: am.JournalEntry, extras: Extras | None = None) -> None:
        """A machine did something; `extras` are what level 2 knows of it."""
        outbox = self.outbox
        if self._lost and track.h in self._lost:
            count, at = self._lost.pop(track.h)
            outbox.lose(track, count, at, entry.before)
        if entry.handlers is not track.tail_handlers and entry.handlers != track.tail_handlers:
            outbox.rebind(track, entry.handlers)
        wire = self._usual(track.h, entry) if extras is None else None
        if wire is None:
            wire = fitting(track.h, entry_list(entry, extras))
        outbox.add(track, wire, entry.changes, entry.at)

    def _usual(self, h: int, entry: am.JournalEntry) -> bytes | None:
        """The wire form of an entry of the usual kind, put together of what was packed before: most
        differ from others in id, time and queue tick alone. None if it has to be packed anew."""
        (
            at, kind, called, _, _, queue_tick, accepted, is_broken, _, is_auto, source, number,
            args, vetoed, failed, changes, _,
        ) = entry  # fmt: skip
        if is_broken or vetoed or failed is not None or not _LEAST_TIME <= at < _WIDEST:
            return None
        key = (h, kind, called, changes, accepted, is_auto)
        found = self._packed.get(key)
        if found is None:
            found = self._pack_shape(key, entry)
        tail = _NO_SOURCE_NO_ARGS
        if source is not None or args:
            tail = pack(None if source is None else source_list(source))
            tail += pack(shown_args(args) if args else None)
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
        start = b"".join((b"\x92", pack(key[0]), b"\x99\xc4\x08"))
        found = self._packed[key] = (start, b"".join([pack(field) for field in fields[2:6]]))
        return found

    def extra(self, track: Track, wire: list[Any], at: int) -> None:
        """An entry that moves no clock: a queued mutation, a check."""
        self.outbox.add(track, fitting(track.h, wire), (), at)

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


def entry_list(entry: am.JournalEntry, extras: Extras | None = None) -> list[Any]:
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
    if extras is not None:
        fields += [
            extras.duration, extras.queue_len, extras.number, lines(extras.log), vetoed,
            extras.stack, list(extras.handlers.items()),
        ]  # fmt: skip
    elif vetoed is not None:
        fields += [None, None, None, None, vetoed]
    return fields


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
