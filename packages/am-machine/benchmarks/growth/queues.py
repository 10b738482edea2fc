"""Measuring while mutations wait: a queue is only there as long as a handler runs."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

    from growth import Sample

LIMIT = 100_000
# Samples taken in one run of the handler, since it takes long to fill the queue.
INNER = 9


def inside(prepare: Callable[[am.Machine], Sample]) -> Sample:
    """The median of some samples that are taken in a handler."""

    def sample() -> float:
        found: list[float] = []

        def measure(event: am.Event) -> None:
            inner = prepare(machine)
            inner()
            found.extend([inner() for _ in range(INNER)])
            machine.dispose()  # drops the queue

        machine = am.Machine(
            {"A": {}, "B": {}, "C": {}},
            handlers={"AState": measure},
            handler_timeout=0,
            queue_limit=LIMIT,
            catch_exceptions=False,
        )
        machine.add("A")
        return median(found)

    return sample
