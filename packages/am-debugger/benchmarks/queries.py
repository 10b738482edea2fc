"""How long queries of every kind of term take: seconds of the processor until the first results,
until all are found, and of the longest piece between two turns of others.

    python packages/am-debugger/benchmarks/queries.py [--transitions 1000000] [--machines 100]
"""

from __future__ import annotations

import argparse
import gc
import sys
import time
from random import Random

from am_debugger._cli.main import _GC_THRESHOLDS
from am_debugger._core.working import keep_for_good
from am_debugger._derive.query import parse_query
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

NAMES = ("Start", "Ready", "Work", "Done", "Heartbeat", "Exception", *[f"S{k}" for k in range(14)])
QUERIES = (
    "Work", "+Work", "-Work", "@Ready", "!@Ready", "canceled", "!canceled", "accepted", "error",
    "lost", "kind:add", "id:worker-1*", "src:worker-1", "!src:*", "tag:pool", "group:Flow",
    "!group:Flow", "arg.id=3", "arg.id=30000", "!arg.id=3", "arg.name=job-77", "arg.name~ob-7",
    "!arg.name~ob-7", "arg.none=1", "dur>10ms", "dur<10us", "!dur>10us", "gained>=2", "t<500",
    "q=5", "n>100", '"refused by"', '!"refused by"', '"nowhere to be found"',
    "group:Flow arg.id=3 dur>1us +Work src:worker-2 tag:pool",
)  # fmt: skip
GOALS = (0.15, 3.0, 0.016)


def filled(transitions: int, machines: int) -> Store:
    """Machines with arguments, sources, durations and lines of the log."""
    rng = Random(1)
    store = Store(max_clients=machines)
    link = Link(store, dbg.Process("p", 1, "", "", "", 0))
    states = tuple([dbg.StateDef() for _ in NAMES])
    schema = dbg.SchemaDef(bytes(16), NAMES, states, (("Flow", (2, 3)),))
    link.schema(schema)
    for k in range(machines):
        tags = ("pool:main",) if k % 2 else ()
        clock = (0,) * len(NAMES)
        told = dbg.Mach(k + 1, f"worker-{k}", None, tags, schema.hash, (), clock, 1)
        link.machine(told)
    sources = [None, *[(f"worker-{k}", b"%08d" % k, k) for k in range(8)]]
    for n in range(transitions // machines):
        for k in range(machines):
            i = rng.randrange(len(NAMES))
            lines = ((2, f"[state] +S{i}"), (3, f"[refused by] a handler {n % 9}"))
            sent = dbg.Tx(
                b"%08d" % rng.randrange(10**8), n * 1000, n % 3, Flag.ACCEPTED * (n % 7 > 0),
                (i,), (i, 1), n, rng.choice(sources), {"id": n, "name": f"job-{n % 100}"},
                rng.randrange(100, 20_000), 0, None,
                lines if n % 3 == 0 else None,
            )  # fmt: skip
            link.transition(k + 1, sent)
    return store


def measure(store: Store, text: str) -> tuple[float, float, float, int]:
    """Seconds until the first results, of all, of the longest piece; and how many were found."""
    query = parse_query(text)
    began, first, longest, count = time.process_time(), None, 0.0, 0
    for client in store:
        pieces = query.find(client)
        while True:
            at = time.process_time()
            piece = next(pieces, None)
            longest = max(longest, time.process_time() - at)
            if piece is None:
                break
            count += len(piece)
            if count and first is None:
                first = time.process_time() - began
    total = time.process_time() - began
    return 0.0 if first is None else first, total, longest, count


def main() -> int:
    """Measure and print; 1 if a goal is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transitions", type=int, default=1_000_000)
    parser.add_argument("--machines", type=int, default=100)
    parser.add_argument("--only", nargs="*", default=QUERIES)
    options = parser.parse_args()
    store = filled(options.transitions, options.machines)
    keep_for_good()
    gc.set_threshold(*_GC_THRESHOLDS)
    misses = 0
    for text in options.only:
        try:
            first, total, longest, count = measure(store, text)
        except ValueError as exc:
            print(exc)
            continue
        is_missed = any(
            [got > goal for got, goal in zip((first, total, longest), GOALS, strict=True)]
        )
        misses += is_missed
        print(
            f"{'MISSED' if is_missed else '':7}{text:58} {count:8} found, first {first * 1e3:6.1f}"
            f" ms, done {total:5.2f} s, longest {longest * 1e3:5.1f} ms"
        )
    return 1 if misses else 0


if __name__ == "__main__":
    sys.exit(main())
