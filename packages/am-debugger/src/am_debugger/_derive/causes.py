"""Where a transition came from, and what it led to, over all machines and processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store

MOST_HOPS = 50
MOST_FORKS = 1000


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


def forks(
    store: Store, client: Client, number: int, limit: int = MOST_FORKS
) -> list[tuple[Client, int]]:
    """The transitions that name this one as their source, by human time; at most `limit`.

    :raises IndexError: if the transition is not kept.
    """
    ident = store.tx(client, number).id
    named = []
    for other in store:
        columns = other.columns
        for n in columns.caused_by(client.machine_id, ident):
            named.append((columns.times.shown[n - columns.first], other.serial, n, other))
    named.sort(key=lambda one: one[:3])
    found: list[tuple[Client, int]] = []
    for _, _, n, other in named[:limit]:
        # Other processes may have machines of the same id, with transitions of the same id.
        source = store.tx(other, n).source
        if source is not None and store.find_source(other, source) == (client, number):
            found.append((other, n))
    return found


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
