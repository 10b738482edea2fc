"""An error that nobody handles."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

from ..._store.client import EXCEPTION
from .finding import Finding, is_quiet_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .watch import Case

LEAST = 1_000_000
"""Microseconds for which it stays."""


def unhandled(case: Case) -> Iterator[Finding]:
    """`Exception` that stays active, where no handler is bound to it or to the states that it came
    with."""
    client, version = case.client, case.version
    if not client.errors or not client.is_active_at(EXCEPTION, client.last):
        return
    position = bisect_left(client.errors, client.first)
    if position == len(client.errors):
        return
    number = client.errors[-1]
    is_over = client.gone_at is not None or not client.is_connected
    if not is_over and case.now - case.time(number) < LEAST:
        return
    tx = case.store.tx(client, number)
    names = client.version_at(number).names
    called = [names[i] for i in tx.called]
    clock = client.clock_after(number)
    kinds = [n for n in called if n != "Exception" and clock[names.index(n)] % 2]
    if any([f"{name}{end}" in version.handlers for name in (*kinds, "Exception") for end in _ENDS]):
        return
    if any([is_quiet_state(version, name) for name in kinds]):
        return
    of = f" of {' '.join(kinds)}" if kinds else ""
    count = len(client.errors) - position
    what = f"Exception{of} stays active, and nobody handles it"
    why = [f"no handler is bound to {' or '.join([*kinds, 'Exception'])}, and nobody removed it"]
    if tx.args.get("err"):
        why.insert(0, str(tx.args["err"]).removeprefix("…"))
    if count > 1:
        why.append(f"it is the last of {count} errors")
    yield Finding("unhandled", client, number, (*kinds, "Exception")[0], what, tuple(why))


_ENDS = ("State", "Enter", "End", "Exit")
