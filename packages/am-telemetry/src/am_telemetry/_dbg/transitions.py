"""Untrusted values to transitions, of which there are millions: what is right is looked at without
a call for each field."""

from __future__ import annotations

from typing import Any

from . import messages as m
from .values import (
    MAX_NUMBER,
    check_depth,
    indexes,
    items,
    octets,
    part,
    refuse,
    text,
    texts,
    ticks,
    whole,
)

_SEVEN = [None] * 7
_NO_DETAILS: tuple[Any, ...] = (*_SEVEN,)


def transition(raw: Any) -> m.Tx:
    """A transition in its fixed order; what follows after the last known field is passed over.

    :raises DecodeError: if it is none.
    """
    if type(raw) is not list or len(raw) < 7:
        refuse("transition", raw)
    if len(raw) > 16:
        check_depth(raw[16:], 4)
    number, at, kind, flags, called, diff, queue_tick = raw[:7]
    if not (
        type(number) is bytes
        and len(number) == 8
        and type(at) is type(kind) is type(flags) is type(queue_tick) is int
        and 0 <= at <= MAX_NUMBER
        and 0 <= kind <= 2
        and 0 <= flags <= 0xFFFF
        and 0 <= queue_tick <= MAX_NUMBER
    ):
        octets(number, 8, "transition id")
        whole(at, "time")
        whole(kind, "kind", 2)
        whole(flags, "flags", 0xFFFF)
        whole(queue_tick, "queue tick")
    clock = None
    if flags & m.KEYFRAME:
        part(diff, 2, "keyframe", 5)
        clock, diff = ticks(diff[0], "clock"), diff[1]
    known = indexes(called, "called"), () if diff is None else _diff(diff)
    source, args = raw[7:9] if len(raw) >= 9 else (*raw[7:], None, None)[:2]
    return tuple.__new__(
        m.Tx,
        (
            number, at, kind, flags, *known, queue_tick,
            None if source is None else _source(source),
            None if args is None else _args(args),
            *(_details(raw) if len(raw) > 9 else _NO_DETAILS),
            clock,
        ),
    )  # fmt: skip


def _details(raw: list[Any]) -> tuple[Any, ...]:
    """What is behind the ninth field of a transition."""
    fields = raw[9:16] if len(raw) >= 16 else (raw[9:] + _SEVEN)[:7]
    duration, queue_len, queued, log, vetoed, stack, ran = fields
    for number in (duration, queue_len, queued):
        if number is not None and not (type(number) is int and 0 <= number <= MAX_NUMBER):
            refuse("duration, queue length or number", number)
    return (
        duration,
        queue_len,
        queued,
        None if log is None else tuple([_line(one) for one in items(log, "log")]),
        None if vetoed is None else texts(vetoed, "vetoed"),
        None if stack is None else texts(stack, "stack"),
        None if ran is None else tuple([_ran(one) for one in items(ran, "handlers")]),
    )


def _diff(value: Any) -> tuple[int, ...]:
    if type(value) is not list or len(value) & 1:
        refuse("diff", value)
    is_index = True
    for one in value:
        if type(one) is not int:
            refuse("diff", one)
        if is_index:
            if not 0 <= one < m.MAX_STATES:
                refuse("diff", one)
        elif not -MAX_NUMBER <= one <= MAX_NUMBER:
            refuse("diff", one)
        is_index = not is_index
    return tuple(value)


def _source(value: Any) -> tuple[str, bytes | None, int]:
    if type(value) is not list or len(value) != 3:
        part(value, 3, "source", 5)
    machine_id, number, total = value[:3]
    if not (
        type(machine_id) is str
        and (number is None or (type(number) is bytes and len(number) == 8))
        and type(total) is int
        and 0 <= total <= MAX_NUMBER
    ):
        refuse("source", value)
    return machine_id, number, total


_SCALARS = frozenset((type(None), bool, int, float))


def _args(value: Any) -> dict[str, m.Scalar]:
    if type(value) is not dict:
        refuse("args", value)
    for key, one in value.items():
        if type(key) is not str or len(key) > m.MAX_ARG:
            refuse("args", key)
        if type(one) is str:
            if len(one) > m.MAX_ARG:
                refuse("args", one)
        elif type(one) not in _SCALARS:
            refuse("args", one)
    return value


def _line(value: Any) -> tuple[int, str]:
    if type(value) is not list or len(value) != 2:
        part(value, 2, "log", 6)
    level, line = value[:2]
    if not (type(level) is int and 0 <= level <= 255 and type(line) is str):
        refuse("log", value)
    return level, line


def _ran(value: Any) -> tuple[str, int]:
    part(value, 2, "handlers", 6)
    return text(value[0], "handlers"), whole(value[1], "handlers")
