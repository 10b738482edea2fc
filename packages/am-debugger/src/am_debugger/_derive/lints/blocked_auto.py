"""An auto state that should have come long ago."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..obstacles import last_refusal
from ..steps import parse
from .finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .watch import Case

LEAST = 60_000_000
"""Microseconds."""
LEAST_VETOES = 3
_SECOND = 1_000_000


def blocked_auto(case: Case) -> Iterator[Finding]:
    """Auto states that have been inactive for a minute, and somebody wants: a wait, a call that was
    refused for them, or `Start` where it is `Ready`; or that are vetoed over and over."""
    schema, client = case.version.schema.schema, case.client
    autos = [name for name in case.version.names if schema[name].auto]
    if not autos or not len(client.columns):
        return
    active = set(case.active)
    wanted = _wanted(case, active)
    vetoes = _vetoes(case)
    for name in autos:
        if name in active:
            continue
        index = schema.index[name]
        since = case.watch.flips.latest.get(index, client.first)
        age = case.now - case.time(since)
        by = wanted.get(name)
        if age < LEAST or (by is None and vetoes.get(index, 0) < LEAST_VETOES):
            continue
        told = schema.explain("add", [name], active, is_auto=True, handlers=case.version.handlers)
        reasons = list(told.reasons)
        number = client.last
        refused = last_refusal(client, client.last, index)
        if told.is_accepted and name in told.target:
            if refused is None or not vetoes.get(index):
                continue
            number = refused
            reasons = list(parse(client, case.store.tx(client, refused)).explanation.reasons)
        what = f"{name}, an auto state, has been blocked for {age // _SECOND} s"
        why = (*reasons, *((f"wanted by {by}",) if by else ()))
        yield Finding("blocked-auto", client, number, name, what, why)


def _wanted(case: Case, active: set[str]) -> dict[str, str]:
    """States that somebody wants, and who."""
    client, found = case.client, {}
    if {"Ready", "Start"} <= set(case.version.names) and "Start" in active:
        found["Ready"] = "Start, which is active"
    for call, streak in case.watch.refusals.streaks.items():
        if streak.is_auto or streak.last < client.first or not call[1]:
            continue
        explanation = parse(client, case.store.tx(client, streak.last)).explanation
        for missing in explanation.requires.values():
            for name in missing:
                told = " ".join(explanation.called)
                found.setdefault(name, f"{explanation.kind} {told}, which was refused for it")
    if client.pending is not None:
        for item in client.pending.items:
            if item.kind == "wait" and item.label.partition(" ")[0] in ("when", "when_any"):
                for name in item.states:
                    found.setdefault(name, f"a wait ({item.label})")
    return found


def _vetoes(case: Case) -> dict[int, int]:
    """Auto states that were voted against -> how often they were refused running."""
    found: dict[int, int] = {}
    for call, streak in case.watch.refusals.streaks.items():
        if streak.is_auto and streak.last >= case.client.first:
            vetoed = case.store.tx(case.client, streak.last).failed
            for i in call[1] if vetoed else ():
                found[i] = max(found.get(i, 0), streak.count)
    return found
