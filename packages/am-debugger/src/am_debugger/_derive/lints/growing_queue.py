"""A queue that gets more than is taken from it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from ..reader import called_text
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .measures import Length
    from .watch import Case

LEAST = 32
"""Mutations that wait."""
_PARTS = 4
# Transitions before the longest queue that are looked at for what fills it.
_LOOKED = 64


def growing_queue(case: Case) -> Iterator[Finding]:
    """Queues of 32 and more that grew all the time, and were not worked off."""
    measures = case.watch.measures
    longest, latest = measures.longest, measures.latest
    if longest is None or latest is None or longest.length < LEAST:
        return
    peak = longest if 2 * latest.length >= longest.length else measures.cliff
    if peak is None or 2 * peak.length < longest.length or not _grew(measures.lengths, peak):
        return
    client = case.client
    filler = _filler(case, peak.number)
    what = f"{peak.length} mutations wait in the queue, which grows"
    why = [f"each transition adds more than one: last {filler}" if filler else "it only grows"]
    if peak is measures.cliff and peak is not latest:
        why.append("in the end it was thrown away, not worked off")
    yield Finding("growing-queue", client, peak.number, "", what, tuple(why))


def _grew(lengths: list[Length], peak: Length) -> bool:
    """Whether each quarter of the climb is higher than the one before."""
    climb = [one.length for one in lengths if one.number <= peak.number]
    start = max([k for k, length in enumerate(climb) if length == 0], default=0)
    climb = climb[start:]
    if len(climb) < _PARTS:
        return False
    size = len(climb) // _PARTS
    means = [sum(climb[k * size : (k + 1) * size]) / size for k in range(_PARTS)]
    return all([a < b for a, b in pairwise(means)])


def _filler(case: Case, number: int) -> str:
    """What is queued most often before a transition: its own calls, by what they call."""
    client, store = case.client, case.store
    calls: Counter[str] = Counter()
    for n in range(max(client.first, number - _LOOKED), min(number, client.last) + 1):
        calls[called_text(client, store.tx(client, n))] += 1
    return calls.most_common(1)[0][0] if calls else ""
