"""The queue: what can be asked of it while much waits in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from growth import Grows, Row, Sample, log_n, looped
from queues import inside

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am


def asking(ask: Callable[[am.Machine], object]) -> Callable[[int], Sample]:
    """Ask something while n mutations of one state wait."""

    def prepare(size: int) -> Sample:
        def fill(machine: am.Machine) -> Sample:
            for number in range(size):
                machine.add("B", number=number)

            def loop(count: int) -> None:
                for _ in range(count):
                    ask(machine)

            return looped(loop, 4)

        return inside(fill)

    return prepare


SIZES = (10, 100, 1_000, 10_000, 30_000)
SMALL = (10, 2_000)
SEARCH = Grows("log n", log_n)

ROWS = [
    Row(
        key,
        title,
        SIZES,
        SMALL,
        asking(ask),
        goal,
        most_laps=7,
        least_laps=3,
    )
    for key, title, ask, goal in (
        ("C10 queue", "`len(m.queue)` with n queued", lambda m: len(m.queue), None),
        (
            "C10 is_queued",
            "`is_queued` of another state",
            lambda m: m.is_queued("add", "C"),
            SEARCH,
        ),
        ("C10 will_be", "`will_be` of another state", lambda m: m.will_be("C"), SEARCH),
        (
            "C10 last",
            "`is_queued` at the last place",
            lambda m: m.is_queued("add", "C", position="last"),
            SEARCH,
        ),
    )
]
