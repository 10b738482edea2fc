"""Two runs compared, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._derive.diff import Pair, Parting, pairs, parting
from .._derive.steps import Parser
from .inspect import inert, transition_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.client import Client
    from .._store.store import Store

_BEFORE, _AFTER = 3, 2
"""Transitions that are shown before the first that differs, and after it."""


class Compared(NamedTuple):
    """What came of a comparison."""

    lines: list[str]
    differ: int
    """Machines that part, or that only one run has."""


def compare(a: Store, b: Store) -> Compared:
    """Compare all machines; those that part first come first."""
    found = []
    together = pairs(a, b)
    for pair in together:
        *_, last = parting(pair)
        if last is not None:
            found.append(last)
    found.sort(key=_when)
    lines = [line for one in found for line in _told(a, b, one)]
    lines += [line for pair in together for line in _losses(pair)]
    alike = len(together) - len(found)
    lines.append(f"{alike} machines alike, {len(found)} differ")
    return Compared(lines, len(found))


def _when(found: Parting) -> tuple[int, int]:
    """Human time of the difference, in the first run if it is there."""
    for rank, (client, number) in enumerate(((found.pair.a, found.a), (found.pair.b, found.b))):
        if client is not None and number is not None and number <= client.last:
            return client.columns.times.searched(number - client.first), rank
    return 0, 2


def _told(a: Store, b: Store, found: Parting) -> Iterator[str]:
    one, other = found.pair
    if one is None or other is None:
        client, where = (one, "A") if one is not None else (other, "B")
        assert client is not None
        yield f"{inert(client.id)}: only in {where}, with {len(client.columns)} transitions"
        return
    yield f"{_names(found.pair)}: part at transition {_at(found.a)} / {_at(found.b)}"
    number = (one.last + 1) if found.a is None else found.a
    parser = Parser(a)
    for n in range(max(one.first, number - _BEFORE), number):
        yield f"    {transition_line(parser, one, n)}"
    yield f"    active in both: {_active(one, number)}"
    yield from _side("A", parser, one, found.a)
    yield from _side("B", Parser(b), other, found.b)


def _active(client: Client, number: int) -> str:
    """What was active just before a transition, or after the last one."""
    is_kept = number <= client.last
    clock = client.clock_before(number) if is_kept else client.clock_after(client.last)
    names = client.version_at(min(number, max(client.last, client.first))).names
    active = [name for name, tick in zip(names, clock, strict=False) if tick % 2]
    return " ".join(active) or "nothing"


def _side(mark: str, parser: Parser, client: Client, number: int | None) -> Iterator[str]:
    """What one run did there: the transition with its reasons, and what came next."""
    if number is None:
        yield f"  {mark} ends here"
        return
    yield f"  {mark} {transition_line(parser, client, number)}"
    parsed = parser.parse(client, number)
    if parsed.tx.source is not None:
        yield f"      from {inert(parsed.tx.source.machine_id)}"
    if not parsed.tx.is_queued:
        for reason in parsed.explanation.reasons:
            yield f"      {inert(reason)}"
    for n in range(number + 1, min(number + _AFTER, client.last) + 1):
        yield f"    {transition_line(parser, client, n)}"


def _names(pair: Pair) -> str:
    one, other = pair
    assert one is not None
    assert other is not None
    name = inert(one.id)
    return name if one.id == other.id else f"{name} ({inert(other.id)} in B)"


def _at(number: int | None) -> str:
    return "the end" if number is None else str(number)


def _losses(pair: Pair) -> Iterator[str]:
    """Where transitions were lost, less was compared."""
    for client, mark in zip(pair, "AB", strict=True):
        if client is not None and client.lost:
            yield f"{inert(client.id)}: {client.lost} transitions were lost in {mark}"
