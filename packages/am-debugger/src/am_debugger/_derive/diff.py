"""Where two runs part: machines are brought together, and compared transition by transition.

Compared are kind, outcome, called states and ticks gained, by the names of states: what a machine
did. Ids, times, durations and stacks differ between any two runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .._store.layout import Kept

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator

    from .._store.client import Client
    from .._store.store import Store

_COMPARED = 0xFF & ~Kept.GAP
"""Bits of a transition that are compared: all but that others were lost before it."""
SLICE = 1000
"""Transitions from one step to the next."""


class Pair(NamedTuple):
    """A machine in both runs; None where it is missing."""

    a: Client | None
    b: Client | None


class Parting(NamedTuple):
    """The first transitions of a pair that differ; None where one run has no more."""

    pair: Pair
    a: int | None
    b: int | None


# ---------------------------------------------------------------------- bringing together


def pairs(a: Store, b: Store) -> list[Pair]:
    """Machines of both runs, brought together by id, else by parent and tags, else by parent and
    states, in order of arrival; then those that only one run has. Of the same parent and tags
    those with the same states come first."""
    found = {one.serial: other for one in a if (other := b.get(one.id)) is not None}
    for key in (_by_all, _by_tags, _by_states):
        _match(a, b, found, key)
    taken = {other.serial for other in found.values()}
    return [
        *[Pair(one, found.get(one.serial)) for one in a],
        *[Pair(None, other) for other in b if other.serial not in taken],
    ]


def _by_all(client: Client) -> Hashable:
    return client.tags, client.version.names


def _by_tags(client: Client) -> Hashable:
    return client.tags


def _by_states(client: Client) -> Hashable:
    return client.version.names


def _match(a: Store, b: Store, found: dict[int, Client], key: Callable[[Client], Hashable]) -> None:
    """Bring machines together whose parents are: parents first, so over again while some are
    found."""
    while True:
        taken = {other.serial for other in found.values()}
        waiting: dict[Hashable, list[Client]] = {}
        for other in b:
            if other.serial not in taken:
                parent = b.parent_of(other)
                place = None if parent is None else parent.serial
                waiting.setdefault((place, key(other)), []).append(other)
        count = len(found)
        for one in a:
            if one.serial in found:
                continue
            parent = a.parent_of(one)
            if parent is not None and parent.serial not in found:
                continue
            place = None if parent is None else found[parent.serial].serial
            same = waiting.get((place, key(one)))
            if same:
                found[one.serial] = same.pop(0)
        if len(found) == count:
            return


# ---------------------------------------------------------------------- comparing


def parting(pair: Pair) -> Iterator[Parting | None]:
    """Compare a machine in both runs in small steps; the last one yields where they part, or None
    if they do not."""
    a, b = pair
    if a is None or b is None:
        yield Parting(pair, None if a is None else a.first, None if b is None else b.first)
        return
    count = min(len(a.columns), len(b.columns))
    for k in range(count):
        if _did(a, a.first + k) != _did(b, b.first + k):
            yield Parting(pair, a.first + k, b.first + k)
            return
        if k % SLICE == SLICE - 1:
            yield None
    if len(a.columns) == len(b.columns):
        yield None
        return
    has_more = len(a.columns) > count, len(b.columns) > count
    yield Parting(
        pair,
        a.first + count if has_more[0] else None,
        b.first + count if has_more[1] else None,
    )


def _did(client: Client, number: int) -> tuple[object, ...]:
    """What a transition did, by names."""
    columns = client.columns
    names = client.version_at(number).names
    gains = [(names[i], gained) for i, gained in columns.diff(number).pairs]
    called = tuple([names[i] for i in columns.called(number)])
    return (columns.kept[number - columns.first] & _COMPARED, called, tuple(sorted(gains)))
