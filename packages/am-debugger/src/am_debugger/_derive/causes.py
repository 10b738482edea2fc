"""Where a transition came from, and what it led to, over all machines and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store

MOST_HOPS = 50


class Hop(NamedTuple):
    """One transition of a chain of sources; `client` and `number` are None if it is not known."""

    machine_id: str
    id: bytes
    client: Client | None
    number: int | None


def state_trace(store: Store, client: Client, number: int, limit: int = MOST_HOPS) -> list[Hop]:
    """The chain of sources from a transition back to its origin, the transition itself first.

    At most `limit` hops; it ends before a transition would come a second time.

    :raises IndexError: if the transition is not kept.
    """
    chain: list[Hop] = []
    seen: set[tuple[int, int]] = set()
    place: tuple[Client, int] | None = (client, number)
    while place is not None and len(chain) < limit:
        owner, n = place
        if (owner.serial, n) in seen:
            break
        seen.add((owner.serial, n))
        tx = store.tx(owner, n)
        chain.append(Hop(owner.machine_id, tx.id, owner, n))
        if tx.source is None:
            break
        place = store.find_source(owner, tx.source)
        if place is None and len(chain) < limit:
            chain.append(Hop(tx.source.machine_id, tx.source.id, None, None))
    return chain


def forks(store: Store, client: Client, number: int) -> list[tuple[Client, int]]:
    """The transitions that name this one as their source, by human time.

    :raises IndexError: if the transition is not kept.
    """
    ident = store.tx(client, number).id
    found = []
    for other in store:
        for n in other.columns.caused_by(ident):
            source = store.tx(other, n).source
            if source is not None and store.find_source(other, source) == (client, number):
                found.append((store.tx(other, n).time, other.serial, n, other))
    found.sort(key=lambda one: one[:3])
    return [(other, n) for _, _, n, other in found]


def siblings(store: Store, client: Client, number: int) -> list[tuple[Client, int]]:
    """The other transitions with the same source.

    :raises IndexError: if the transition is not kept.
    """
    source = store.tx(client, number).source
    place = store.find_source(client, source) if source is not None else None
    if place is None:
        return []
    return [one for one in forks(store, *place) if one != (client, number)]


def queue_before(client: Client, store: Store, number: int, limit: int = MOST_HOPS) -> list[int]:
    """Entries that waited in the queue when a transition ended, prepended ones first.

    :raises IndexError: if the transition is not kept.
    """
    waiting = []
    for n in client.queued_numbers(number):
        executed = client.executed_by(n)
        if executed is None or executed > number:
            waiting.append(n)
    waiting.sort(key=lambda n: (store.tx(client, n).queue_tick, n))
    return waiting[:limit]
