"""What a dump costs: bytes on disk, and transitions a second to write and to load.

`python packages/am-debugger/benchmarks/micro_dump.py [TRANSITIONS] [ENDING]`; the ending is `gz` or
`zst`.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from micro_store import PROCESS, fill, rows

from am_debugger._files.dump_reader import read_dump
from am_debugger._files.dump_writer import write_dump
from am_debugger._store.store import Store


def main(count: int, ending: str) -> None:
    """Print the figures."""
    store, _ = fill(rows(count, is_rich=True))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"run.amdbg.{ending}")
        start = time.process_time()
        for _ in write_dump(store, path, PROCESS):
            pass
        wrote = time.process_time() - start
        longest, last = 0.0, time.perf_counter()
        start = time.process_time()
        for _ in read_dump(Store(), path):
            now = time.perf_counter()
            longest, last = max(longest, now - last), now
        read = time.process_time() - start
        size = path.stat().st_size
    print(
        f"{ending}: {size / count:.1f} B each, written at {count / wrote:,.0f} tx/s, "
        f"loaded at {count / read:,.0f} tx/s, longest slice {longest * 1000:.0f} ms"
    )


if __name__ == "__main__":
    main(
        int(sys.argv[1]) if len(sys.argv) > 1 else 100_000,
        sys.argv[2] if len(sys.argv) > 2 else "gz",
    )
