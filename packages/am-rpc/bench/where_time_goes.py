"""Where the time of an awaited mutation goes: samples of what runs, told by the parts of the code.

Every millisecond of processor time the running function is noted. Both ends live in one process, so
the parts of a round are all seen; a call of C, such as a system call, counts as its caller's.
"""

from __future__ import annotations

import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from bench_round_trip import bench_echo, bench_mutation

if TYPE_CHECKING:
    from types import FrameType

TICK = 0.001
# Few, since connecting is sampled as well.
SLICES = 4
# Folders, the first that fits; a path names its package and the room in it.
PARTS = {
    "trio/_core/": "trio: scheduler, epoll, wake-ups",
    "trio/": "trio: sockets and streams",
    "outcome": "trio: scheduler, epoll, wake-ups",
    "am_machine/_engine/following": "replica: an update followed",
    "am_machine/_schema/": "machines: plans, clocks, handlers",
    "am_machine/_engine/": "machines: plans, clocks, handlers",
    "am_machine/": "machines: causes, results, waits",
    "am_rpc/_wire/": "am-rpc: encoding, decoding, checks",
    "am_rpc/_transport/": "am-rpc: reading and writing batches, with the system calls",
    "am_rpc/_server/": "am-rpc: serving",
    "am_rpc/_client/": "am-rpc: calling, following",
    "am_rpc/": "am-rpc: calling, following",
    "bench/": "the caller and the handler",
}


def part_of(path: str) -> str:
    """The part of the code that a file belongs to."""
    return next((told for folder, told in PARTS.items() if folder in path), "the rest")


async def sampled(rounds: int) -> tuple[float, float, Counter[str]]:
    """Seconds per round of an echo and of a mutation, and how often each part was seen."""
    seen: Counter[str] = Counter()

    def look(_number: int, frame: FrameType | None) -> None:
        if frame is not None:
            seen[part_of(frame.f_code.co_filename)] += 1

    echo = trip = 0.0
    for _ in range(SLICES):
        echo += await bench_echo(rounds // SLICES)
        before = signal.signal(signal.SIGPROF, look)
        signal.setitimer(signal.ITIMER_PROF, TICK, TICK)
        try:
            trip += await bench_mutation(rounds // SLICES)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)
    return echo / SLICES, trip / SLICES, seen


def main() -> None:
    """Print microseconds per round, part by part, the longest first."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 40_000
    began = time.process_time()
    echo, trip, seen = trio.run(sampled, rounds)
    total = seen.total()
    print(f"a round {trip * 1e6:.1f} us, an echo {echo * 1e6:.1f} us, {total} samples", end=" ")
    print(f"in {time.process_time() - began:.0f} s ({Path(sys.executable).name})")
    for told, count in seen.most_common():
        share = count / total
        print(f"| {told} | {share * trip * 1e6:.1f} | {share * trip / echo:.2f} x | {share:.0%} |")


if __name__ == "__main__":
    main()
