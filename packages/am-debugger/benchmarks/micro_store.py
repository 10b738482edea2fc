"""What the store costs: bytes and time of a transition, of a lazy decode, of a filter.

Rows are made beforehand; times are those of the processor:
`python packages/am-debugger/benchmarks/micro_store.py [TRANSITIONS]`.
"""

from __future__ import annotations

import gc
import sys
import time
import tracemalloc

from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

NAMES = ["Start", "Ready", *[f"Step{i}" for i in range(11)], "Exception"]
SCHEMA = dbg.SchemaDef(bytes(16), tuple(NAMES), tuple([dbg.StateDef() for _ in NAMES]))
MACHINE = dbg.Mach(1, "machine-1", None, (), bytes(16), (), (0,) * len(NAMES), 1)
PROCESS = dbg.Process("p", 1, "", "", "", 0)


def rows(count: int, *, is_rich: bool) -> list[dbg.Tx]:
    """Transitions of one machine as they come from the wire."""
    made = []
    for k in range(count):
        state = k % 12
        source = ("machine-1", (k - 1).to_bytes(8, "big"), k) if k % 2 else None
        row = dbg.Tx(
            k.to_bytes(8, "big"), 10**15 + 50 * k, k % 2, 1, (state,), (state, 1), k, source
        )
        if is_rich:
            lines = ((2, f"[state] +{NAMES[state]}"), (3, f"[add] {NAMES[state]} (id={k})"))
            args = {"id": k, "name": "some value"}
            row = row._replace(args=args, duration=120, queue_len=3, log=lines)
        made.append(row)
    return made


def fill(made: list[dbg.Tx]) -> tuple[Store, float]:
    """A store with these transitions, and the seconds that took."""
    store = Store()
    link = Link(store, PROCESS)
    link.schema(SCHEMA)
    link.machine(MACHINE)
    take = link.transition
    start = time.process_time()
    for row in made:
        take(1, row)
    return store, time.process_time() - start


def main(count: int) -> None:
    """Print the figures."""
    gc.freeze()
    for kind in ("level 1", "two log lines and args"):
        made = rows(count, is_rich=kind != "level 1")
        gc.collect()
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        store, _ = fill(made)
        held = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        store, took = fill(made)
        counted = store.nbytes
        client = next(iter(store))
        start = time.process_time()
        for number in range(1, count, 7):
            store.tx(client, number)
        decoded = (time.process_time() - start) / len(range(1, count, 7))
        start = time.process_time()
        for number in range(500, count, 1009):
            client.clock_after(number)
        clocks = (time.process_time() - start) / len(range(500, count, 1009))
        print(
            f"{kind}: {held / count:.0f} B held, {counted / count:.0f} B counted, "
            f"{count / took:,.0f} tx/s, decode {decoded * 1e6:.1f} us, "
            f"far clock {clocks * 1e6:.0f} us"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
