"""What a call into a guest costs, beside a call into a thread, in one run.

``python packages/am-helpers/bench/bench_guest.py [PAIRS]``; it fails only if the lower bound of the
ratio's 95 % bootstrap interval is above the goal.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

import am_helpers as amh

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

GOAL = 2.0
CALLS = 10  # in a row, of each kind by turns


async def nothing() -> None:
    """What is called in trio."""


async def timed(call: Callable[[], Awaitable[Any]]) -> float:
    """Microseconds of one of several calls."""
    start = perf_counter()
    for _ in range(CALLS):
        await call()
    return (perf_counter() - start) / CALLS * 1e6


async def measure(pairs: int) -> list[tuple[float, float]]:
    """Both kinds of calls, interleaved."""
    loop = asyncio.get_running_loop()
    async with amh.guest.open_host() as host:
        found = []
        for _ in range(pairs + 20):
            guest = await timed(lambda: host.run(nothing))
            thread = await timed(lambda: loop.run_in_executor(None, int))
            found.append((guest, thread))
    return found[20:]  # warm


def main() -> None:
    """Print the figures."""
    pairs = asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
    ratios = [guest / thread for guest, thread in pairs]
    samples = sorted(statistics.median(random.choices(ratios, k=len(ratios))) for _ in range(1000))
    low, high = samples[25], samples[975]
    guest, thread = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(f"host.run {guest:.0f} us, run_in_executor {thread:.0f} us")
    print(f"ratio {statistics.median(ratios):.2f}, 95 % in [{low:.2f}, {high:.2f}], goal {GOAL}")
    sys.exit(low > GOAL)


if __name__ == "__main__":
    main()
