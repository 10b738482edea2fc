"""No-op tasks a second through tractor: ``tractor_rate.py WORKERS TASKS IN_FLIGHT``.

Run by `compare.py` in an interpreter that has tractor; nothing of ours is imported here.
"""

from __future__ import annotations

import json
import sys
import time

import tractor
import trio


async def noop(x: int) -> int:
    """Return `x`."""
    return x


async def share(portal: tractor.Portal, tasks: int) -> None:
    """Do a share of the tasks, one after the other."""
    for n in range(tasks):
        assert await portal.run(noop, x=n) == n


async def main(workers: int, tasks: int, in_flight: int) -> None:
    """Print the rate as JSON."""
    async with tractor.open_nursery() as actors:
        portals = [
            await actors.start_actor(f"worker{n}", enable_modules=[__name__])
            for n in range(workers)
        ]
        for portal in portals:
            await share(portal, 20)
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for portal in portals:
                for _ in range(in_flight):
                    nursery.start_soon(share, portal, tasks // workers // in_flight)
        seconds = time.perf_counter() - began
        for portal in portals:
            await portal.cancel_actor()
    done = tasks // workers // in_flight * workers * in_flight
    print(json.dumps({"rate": done / seconds}))


if __name__ == "__main__":
    trio.run(main, *map(int, sys.argv[1:]))
