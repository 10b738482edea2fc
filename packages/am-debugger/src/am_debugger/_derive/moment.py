"""All machines at one human time: what the client list and the graph show of them."""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, NamedTuple

from .._store.client import EXCEPTION, READY, START

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store

# A machine is shown as troubled for so many transitions after an error.
RECENT = 100


class Label(NamedTuple):
    """A machine at a moment."""

    client: Client
    depth: int
    """How many parents of it are shown above."""
    number: int
    """Its last transition at or before the moment."""
    has_more: bool
    """There are later ones."""
    has_error: bool
    had_error: bool
    """Within the last 100 transitions."""
    is_ready: bool
    is_started: bool

    @property
    def flags(self) -> str:
        """`E` if Exception is active, then `R` for Ready or else `S` for Start."""
        phase = "R" if self.is_ready else "S" if self.is_started else ""
        return ("E" if self.has_error else "") + phase

    def __str__(self) -> str:
        more = "+" if self.has_more else ""
        flags = f"{self.flags:>2}" if self.flags else "  "
        return f"{self.client.id} {flags}|{self.number}{more}"


def label(client: Client, moment: int, depth: int = 0) -> Label:
    """A machine at a moment, in microseconds since 1970."""
    number = client.last_until(moment)
    has_error, is_ready, is_started = [
        client.is_active_at(watched, number) for watched in (EXCEPTION, READY, START)
    ]
    return Label(
        client,
        depth,
        number,
        number < client.last,
        has_error,
        client.has_error_within(number, RECENT),
        is_ready,
        is_started,
    )


def ordered(store: Store) -> list[tuple[Client, int]]:
    """All machines as a tree by parent, depth first, naturally sorted; with their depths."""
    children: dict[int | None, list[Client]] = {}
    for client in store:
        parent = _root_safe_parent(store, client)
        children.setdefault(parent.serial if parent else None, []).append(client)
    found: list[tuple[Client, int]] = []
    waiting = [(client, 0) for client in reversed(_sorted(children.get(None, [])))]
    while waiting:
        client, depth = waiting.pop()
        found.append((client, depth))
        below = _sorted(children.get(client.serial, []))
        waiting += [(child, depth + 1) for child in reversed(below)]
    return found


def _sorted(clients: list[Client]) -> list[Client]:
    return sorted(clients, key=attrgetter("sort_key"))


def _root_safe_parent(store: Store, client: Client) -> Client | None:
    """The parent, but None where parents go round in a circle."""
    parent = store.parent_of(client)
    seen = {client.serial}
    above = parent
    while above is not None:
        if above.serial in seen:
            return None
        seen.add(above.serial)
        above = store.parent_of(above)
    return parent
