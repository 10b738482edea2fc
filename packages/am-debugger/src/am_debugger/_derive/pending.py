"""What all machines wait for: waits, contexts, tasks, and mutations in queues, oldest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from . import causes
from .reader import Fact, Jump, called_text
from .text import format_clock, format_duration

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store

MOST_LISTED = 500
"""Lines of the page."""
_MOST_QUEUED = 50


class Waiting(NamedTuple):
    """One thing that a machine waits for."""

    client: Client
    age: int | None
    """Microseconds; None if that is not known."""
    text: str
    states: tuple[str, ...]
    number: int | None
    """The transition that queued it."""


class Everywhere(NamedTuple):
    """What all machines wait for, oldest first, and how many of them have told."""

    waiting: list[Waiting]
    told: int
    asked: int
    """Machines that are connected."""


def pending_everywhere(store: Store, now: int) -> Everywhere:
    """What is known of what machines wait for at a time (microseconds since 1970): what they
    answered, and what was queued and not executed."""
    waiting: list[Waiting] = []
    for client in store:
        if client.pending is not None and client.is_connected:
            waiting += _answered(client, now)
        else:
            waiting += _queued(store, client)
    waiting.sort(key=lambda one: -1 if one.age is None else one.age, reverse=True)
    connected = [client for client in store if client.is_connected]
    told = sum([client.pending is not None for client in connected])
    return Everywhere(waiting, told, len(connected))


def _answered(client: Client, now: int) -> list[Waiting]:
    pending = client.pending
    assert pending is not None
    passed = max(now - pending.time, 0)
    found = []
    for item in pending.items:
        words = [item.kind, *item.states, *([f"({item.label})"] if item.label else [])]
        age = None if item.age is None else item.age + passed
        found.append(Waiting(client, age, " ".join(words), item.states, None))
    return found


def _queued(store: Store, client: Client) -> list[Waiting]:
    """What was in the queue of a machine that does not tell, when it was heard of last."""
    columns = client.columns
    if not len(columns):
        return []
    last = columns.times.searched(len(columns) - 1)
    found = []
    for number in causes.queue_before(client, store, client.last, _MOST_QUEUED):
        tx = store.tx(client, number)
        names = client.version_at(number).names
        states = tuple([names[i] for i in tx.called])
        text = f"mutation {called_text(client, tx)}"
        found.append(Waiting(client, max(last - tx.time, 0), text, states, number))
    return found


def pending_page(found: Everywhere) -> list[Fact]:
    """The same as a page of facts, each of which leads to its machine."""
    facts = [_fact(one) for one in found.waiting[:MOST_LISTED]]
    more = len(found.waiting) - MOST_LISTED
    if more > 0:
        facts.append(Fact(f"… and {more} more"))
    if not facts:
        facts.append(Fact("nothing that is known"))
    if found.asked:
        facts.append(Fact(f"{found.told} of {found.asked} connected machines have answered"))
    else:
        facts.append(Fact("no machine is connected: of others only queues are known"))
    return facts


def _fact(one: Waiting) -> Fact:
    age = "?" if one.age is None else format_duration(one.age)
    client = one.client
    gone = "" if client.is_connected else f" (not connected, {_seen(client)})"
    told = f"{age:>10}  {client.id}  {one.text}{gone}"
    state = one.states[0] if one.states else ""
    return Fact(told, Jump(client, one.number), about=state)


def _seen(client: Client) -> str:
    times = client.columns.times
    return f"as of {format_clock(times.searched(len(times) - 1))}" if len(times) else "never seen"
