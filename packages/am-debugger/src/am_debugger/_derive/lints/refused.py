"""A mutation that is refused again and again, and never accepted since."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..obstacles import explained
from .finding import Finding
from .refusals import call_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .watch import Case

LEAST = 10
"""Refusals running."""


def refused(case: Case) -> Iterator[Finding]:
    """Calls that were refused ten times running; autos have a rule of their own."""
    client = case.client
    for call, streak in case.watch.refusals.streaks.items():
        if streak.count < LEAST or streak.is_auto or streak.last < client.first or not call[1]:
            continue
        names = client.version_at(streak.last).names
        what = f"{call_text(client, call, streak.last)} was refused {streak.count} times running"
        why = explained(case.store, client, streak.last)
        yield Finding("refused", client, streak.last, names[call[1][0]], what, why)
