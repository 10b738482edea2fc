"""A handler that lets everybody else wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .finding import Finding
from .measures import SLOW

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .watch import Case

VERY_SLOW = 500_000
"""Microseconds; once is enough."""
LEAST = 2
_MILLISECOND = 1000


def slow_handler(case: Case) -> Iterator[Finding]:
    """Handlers that took 100 ms more than once, or half a second."""
    for name, slow in case.watch.measures.slow.items():
        if slow.count < LEAST and slow.longest < VERY_SLOW:
            continue
        took = f"{slow.longest / _MILLISECOND:.0f} ms"
        often = f", {slow.count} times over {SLOW // _MILLISECOND} ms" if slow.count > 1 else ""
        what = f"{name} took {took}{often}"
        why = (
            "nothing else of the program runs while a handler does",
            "an async handler, or a thread, would let others run",
        )
        yield Finding("slow-handler", case.client, slow.number, _state_of(case, name), what, why)


def _state_of(case: Case, handler: str) -> str:
    """The state that a handler is named after, the longest of them."""
    bare = handler.rpartition(".")[2]
    found = [name for name in case.version.names if bare.startswith(name)]
    return max(found, key=len, default="")
