"""What goes when memory is short: details first, then the oldest transitions of all machines."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from am_machine import LogLevel

from .packing import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .client import Client
    from .store import Store

# Of the cap, what is kept after eviction.
KEPT_SHARE = 0.9
# In the packed rest of a transition, behind the source's time.
_LOG_POSITION = 5
_CHANGES = int(LogLevel.CHANGES)
# Transitions looked at in one step.
_SLICE = 256
# Of the chunks of a machine, the share that goes in one step, if so many have to go.
_PARTS = 8


@dataclass(slots=True)
class Evicted:
    """What was dropped."""

    log_lines: int = 0
    transitions: int = 0
    clients: list[Client] = field(default_factory=list)
    """Machines that went."""
    shortened: set[int] = field(default_factory=set)
    """Serial numbers of machines that lost transitions."""

    def __bool__(self) -> bool:
        return bool(self.log_lines or self.transitions or self.clients)

    def __str__(self) -> str:
        told = []
        if self.transitions:
            count = len(self.shortened)
            told.append(f"{self.transitions} transitions of {count} machines")
        if self.clients:
            told.append(f"{len(self.clients)} machines")
        if self.log_lines:
            told.append(f"{self.log_lines} log lines")
        return f"dropped {', '.join(told)} to stay within memory" if told else "dropped nothing"


def evict(store: Store, cap: int, *, now: int, log_ttl: int) -> Iterator[Evicted]:
    """Bring the store below `cap` bytes, in small steps; yields what was dropped so far.

    Times are microseconds, `now` since 1970. Nothing is done below the cap. Over it, log lines
    finer than changes go first where they are older than `log_ttl`, then the oldest chunks of all
    machines by human time until 90 % of the cap are held; machines without transitions go, if
    nothing comes of them any more.
    """
    done = Evicted()
    if store.nbytes <= cap:
        return
    # These are decoded again where somebody looks.
    store.forget_all_views()
    for client in list(store):
        yield from _drop_details(store, client, now - log_ttl, done)
    goal, before = int(KEPT_SHARE * cap), -1
    while store.nbytes > goal and before != done.transitions:
        before = done.transitions
        yield from _drop_oldest(store, goal, done)
    for client in list(store):
        if not len(client.columns) and not client.is_told:
            store.remove(client)
            done.clients.append(client)
    yield done


def _drop_oldest(store: Store, goal: int, done: Evicted) -> Iterator[Evicted]:
    """Drop the oldest chunks of all machines, as many as take what is beyond the goal. More may
    come between two steps."""
    for serial, count in _oldest(store, store.nbytes - goal).items():
        left = count
        while left > 0 and (client := store.by_serial(serial)) is not None:
            # What stays of a machine is moved: at worst it is as much as what goes, eight times.
            chunks = max(1, len(client.columns.chunks) // _PARTS)
            dropped = client.drop_chunks(min(left, chunks))
            left -= chunks
            if dropped:
                done.transitions += dropped
                done.shortened.add(serial)
                store.forget_views(client)
            yield done


def _oldest(store: Store, nbytes: int) -> dict[int, int]:
    """How many chunks of which machines, by serial number, are the oldest that take so many bytes
    together."""
    counts: dict[int, int] = {}
    heap = [(client.chunk_time(0), client.serial, client) for client in store if client.columns]
    heapq.heapify(heap)
    while nbytes > 0 and heap:
        _, serial, client = heap[0]
        k = counts.get(serial, 0)
        nbytes -= client.chunk_bytes(k)
        counts[serial] = k = k + 1
        chunks = client.columns.chunks
        if k < len(chunks) and len(chunks[k]):
            heapq.heapreplace(heap, (client.chunk_time(k), serial, client))
        else:
            heapq.heappop(heap)
    return counts


def _drop_details(store: Store, client: Client, until: int, done: Evicted) -> Iterator[Evicted]:
    columns = client.columns
    has_changed = False
    # Of most machines nothing is that old; and what was gone through as a whole stays as it is.
    first_new = columns.first + columns.times.last_until(until - 1) + 1
    for chunk in list(columns.chunks):
        if chunk.first >= first_new:
            break
        if chunk.is_trimmed:
            continue
        is_whole, rests, dropped = chunk.last < first_new and chunk.is_sealed, [], 0
        for number in range(chunk.first, chunk.last + 1):
            rest = chunk.rest(number)
            if number < first_new:
                rest, count = _without_details(rest)
                dropped += count
            rests.append(rest)
            if len(rests) % _SLICE == 0:
                yield done
        if chunk not in columns.chunks:
            continue  # it went between two steps
        chunk.is_trimmed = is_whole
        if dropped:
            # Between two steps more may have come.
            rests += [chunk.rest(n) for n in range(chunk.first + len(rests), chunk.last + 1)]
            columns.replace_rests(chunk, rests)
            done.log_lines += dropped
            has_changed = True
            yield done
    if has_changed:
        store.forget_views(client)
    log = client.outer_log
    if log.is_older(until):
        lines = [log[position] for position in range(len(log))]
        keeps = [line.level <= _CHANGES or line.time >= until for line in lines]
        done.log_lines += log.keep(keeps)


def _without_details(packed: bytes) -> tuple[bytes, int]:
    """A packed rest without the log lines finer than changes, and how many these were."""
    if not packed:
        return packed, 0
    rest = unpack(packed)
    if len(rest) <= _LOG_POSITION or not rest[_LOG_POSITION]:
        return packed, 0
    lines = rest[_LOG_POSITION]
    kept = [line for line in lines if line[0] <= _CHANGES]
    if len(kept) == len(lines):
        return packed, 0
    rest[_LOG_POSITION] = kept or None
    return pack(rest), len(lines) - len(kept)
