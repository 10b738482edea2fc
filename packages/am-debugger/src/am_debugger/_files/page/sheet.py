"""What a page says, as plain values. All texts are inert and cut; none is HTML yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

RELATIONS = ("require", "add", "remove", "after")
"""Kinds of relations, as states have them."""


class Budget(NamedTuple):
    """How much a page may hold, so that it stays small."""

    around: int
    """Moments before, and as many after, that scripts step through."""
    machines: int
    states: int
    lines: int
    """Rows of the log of one transition."""
    text: int
    """Characters of one text."""
    picture: int
    """Bytes of each picture that a program draws; 0: none."""


@dataclass(frozen=True, slots=True)
class Node:
    """A text with others below it."""

    text: str
    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class MachineRow:
    """A machine of the list."""

    name: str
    depth: int
    is_selected: bool


@dataclass(frozen=True, slots=True)
class StateRow:
    """A state: its relations as (kind, names)."""

    name: str
    is_multi: bool
    is_auto: bool
    relations: tuple[tuple[str, tuple[str, ...]], ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LogRow:
    """A row of the log: `mark` is what stands in the gutter."""

    mark: str
    text: str


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment of the selected machine, just after transition `number`."""

    number: int
    time: str
    head: tuple[tuple[str, str], ...]
    """What is said of the transition: (label, text)."""
    ticks: tuple[int, ...]
    marks: tuple[tuple[int, str], ...]
    """(state, what the transition did to it: some of `c+-*`)."""
    facts: tuple[Node, ...]
    labels: tuple[str, ...]
    """What stands beside each machine then."""
    log: tuple[LogRow, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawing as SVG, or as text where it cannot be drawn."""

    title: str
    svg: bytes = b""
    text: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All of a page; `at` is the position of its moment among the frames."""

    machine: str
    address: str
    frames: tuple[Frame, ...]
    at: int
    machines: tuple[MachineRow, ...]
    machines_left: int
    states: tuple[StateRow, ...]
    states_left: int
    why: tuple[Node, ...]
    pictures: tuple[Picture, ...]
    level: str
    """Name of the log's level."""
    redacted: tuple[str, ...]
    version: str

    @property
    def frame(self) -> Frame:
        """The moment that the page is of."""
        return self.frames[self.at]
