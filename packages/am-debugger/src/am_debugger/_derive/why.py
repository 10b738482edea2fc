"""Why a state is as it is: the causes that made it active, or what stands in its way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import causes
from .reader import called_text
from .steps import parse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.client import Client
    from .._store.store import Store

MOST_TRIED = 1000
"""Transitions back it is looked for a refusal."""


def why(store: Store, client: Client, number: int, state: str) -> list[str]:
    """What made a state active at a transition, or what keeps it from that, a line each.

    :raises ValueError: if the machine has no such state then.
    """
    names = client.version_at(number).names
    index = names.index(state)
    clock = client.clock_after(number)
    if clock[index] % 2:
        return list(_why(store, client, number, index, state))
    return list(_why_not(store, client, number, state))


def _why(store: Store, client: Client, number: int, index: int, state: str) -> Iterator[str]:
    since = _activated_at(client, number, index)
    if since is None:
        yield f"{state} was active before the first transition that is kept"
        return
    yield f"{state} is active since transition {since}"
    for hop in causes.state_trace(store, client, since):
        if hop.client is None or hop.number is None:
            yield f"  by {hop.machine_id}/{hop.id.hex()} (not kept)"
        else:
            tx = store.tx(hop.client, hop.number)
            auto = " (auto)" if tx.is_auto else ""
            yield f"  by {hop.client.id}/{hop.number} {called_text(hop.client, tx)}{auto}"


def _activated_at(client: Client, number: int, index: int) -> int | None:
    """The last transition up to `number` in which a state became active."""
    for n in reversed(client.changes_of(index)):
        if client.first <= n <= number and not client.clock_before(n)[index] % 2:
            return n
    return None


def _why_not(store: Store, client: Client, number: int, state: str) -> Iterator[str]:
    version = client.version_at(number)
    clock = client.clock_after(number)
    active = [name for name, tick in zip(version.names, clock, strict=True) if tick % 2]
    told = version.schema.schema.explain("add", [state], active, handlers=version.handlers)
    yield f"{state} is inactive"
    if told.is_accepted and state in told.target:
        yield "  no relation stands in its way"
    else:
        for reason in told.reasons:
            yield f"  {reason}"
    refused = _refused_at(store, client, number, version.names.index(state))
    if refused is None:
        return
    parsed = parse(client, store.tx(client, refused))
    yield f"last refused in transition {refused} {called_text(client, parsed.tx)}"
    for reason in parsed.explanation.reasons:
        yield f"  {reason}"


def _refused_at(store: Store, client: Client, number: int, index: int) -> int | None:
    """The last transition up to `number` that called a state and was refused."""
    for n in range(number, max(client.first, number - MOST_TRIED) - 1, -1):
        tx = store.tx(client, n)
        is_refused = not tx.is_accepted and not tx.is_queued and tx.kind != "remove"
        if is_refused and index in tx.called:
            return n
    return None
