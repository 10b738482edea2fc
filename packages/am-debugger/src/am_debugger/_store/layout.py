"""The flags of a transition on the wire, what is kept of them, and the marks for filters."""

from __future__ import annotations

from enum import IntFlag
from typing import NamedTuple

from am_machine import Kind


class Sizes(NamedTuple):
    """How columns are cut: transitions of one chunk, and from one keyframe to the next."""

    chunk: int = 4096
    keyframe: int = 1000


USUAL_SIZES = Sizes()
# Of a chunk, the fewest transitions: what they have in common is kept once in each.
_FEWEST = 256
# Bytes of the cap for each transition of a chunk: some hundred of them are held, whatever the cap.
_CAP_BYTES = 1 << 13


def sizes_for(cap: int) -> Sizes:
    """How columns are cut where so many bytes are held at most. Of 32 MB and more as usual; of less
    into smaller chunks: one of each machine is still open, and if these are most of what is held,
    all that is known of a machine goes at a time."""
    return USUAL_SIZES._replace(chunk=min(USUAL_SIZES.chunk, max(_FEWEST, cap // _CAP_BYTES)))


# Bytes of a transition's id.
ID_BYTES = 8
NO_ID = bytes(ID_BYTES)
# Times, ticks and sums that fit a column, with room to add them up.
MOST = 1 << 62

KINDS = (str(Kind.ADD), str(Kind.REMOVE), str(Kind.SET))


class Flag(IntFlag):
    """Flags of a transition as sent."""

    ACCEPTED = 1
    AUTO = 2
    CHECK = 4
    QUEUED = 8
    KEYFRAME = 16
    ERROR = 32


ALL_FLAGS = int(~Flag(0))


class Kept(IntFlag):
    """One byte a transition: kind and flags as sent, and whether some were lost before it."""

    KIND = 3
    ACCEPTED = 4
    AUTO = 8
    CHECK = 16
    QUEUED = 32
    ERROR = 64
    GAP = 128


class Mark(IntFlag):
    """One byte a transition: all that the filters ask of it, but for groups."""

    CANCELED = 1
    QUEUED = 2
    AUTO = 4
    AUTO_CANCELED = 8
    EMPTY = 16
    HEALTH = 32
    CHECK = 64
    LOST = 128
    """Some were lost just before it."""


# States whose activity is known at any moment without going through clocks.
WATCHED = ("Exception", "Ready", "Start")
# A transition that calls nothing else is one of health.
HEALTH_STATES = frozenset(("Healthcheck", "Heartbeat"))


# A flag on the wire, and the bit kept of it.
_SAME = (
    (Flag.ACCEPTED, Kept.ACCEPTED),
    (Flag.AUTO, Kept.AUTO),
    (Flag.CHECK, Kept.CHECK),
    (Flag.QUEUED, Kept.QUEUED),
    (Flag.ERROR, Kept.ERROR),
)


def _kept(kind: int, flags: int) -> int:
    return kind | sum([int(bit) for flag, bit in _SAME if flags & flag])


def _marks(kept: int) -> int:
    marks = 0
    if kept & Kept.QUEUED:
        marks |= Mark.QUEUED
    elif not kept & Kept.ACCEPTED:
        marks |= Mark.CANCELED
    if kept & Kept.AUTO:
        marks |= Mark.AUTO_CANCELED if marks & Mark.CANCELED else Mark.AUTO
    if kept & Kept.CHECK:
        marks |= Mark.CHECK
    if kept & Kept.GAP:
        marks |= Mark.LOST
    return int(marks)


# [kind][flags] as sent -> the byte kept; and that -> the marks that follow from it alone.
KEPT = [
    [
        kind | sum([int(kept) for flag, kept in _SAME if flags & flag])
        for flags in range(ALL_FLAGS + 1)
    ]
    for kind in range(len(KINDS))
]
MARKS = bytes([_marks(kept) for kept in range(256)])


def _is_refused(marks: int) -> bool:
    is_nothing = marks & Mark.CANCELED or (marks & Mark.AUTO and marks & Mark.EMPTY)
    return bool(is_nothing) and not marks & (Mark.CHECK | Mark.QUEUED)


REFUSED = bytes([_is_refused(marks) for marks in range(256)])
"""Marks of transitions that were refused: canceled, or made for auto states of which each was voted
against."""
# Bytes kept of transitions that would be empty if they gained no time.
EXECUTED = bytes(
    [bool(kept & Kept.ACCEPTED) and not kept & (Kept.QUEUED | Kept.CHECK) for kept in range(256)]
)


def wire_flags(kept: int) -> int:
    """The flags as sent, of the byte kept."""
    return sum([int(flag) for flag, bit in _SAME if kept & bit])
