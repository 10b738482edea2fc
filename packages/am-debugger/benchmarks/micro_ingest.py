"""What it costs to take in: bytes as they come, decoded, checked, and put into columns.

Times are those of the processor: `python packages/am-debugger/benchmarks/micro_ingest.py [N]`.
"""

from __future__ import annotations

import sys
import time

from micro_store import MACHINE, PROCESS, SCHEMA, rows

from am_debugger._core.debugger import Debugger
from am_debugger._store.link import Link
from am_telemetry import dbg

_BATCH, _PIECE = 200, 1 << 16


def stream(count: int, *, is_rich: bool) -> bytes:
    """The bytes of an exporter."""
    made = rows(count, is_rich=is_rich)
    messages: list[dbg.Message] = [SCHEMA, MACHINE]
    for start in range(0, count, _BATCH):
        messages.append(dbg.Txs(tuple([(1, sent) for sent in made[start : start + _BATCH]])))
    return b"".join(map(dbg.encode, messages))


def main(count: int) -> None:
    """Print the figures."""
    for kind in ("level 1", "two log lines and args"):
        data = stream(count, is_rich=kind != "level 1")
        debugger = Debugger()
        debugger.machine.add("Start")
        link = Link(debugger.session.store, PROCESS)
        decoder = dbg.Decoder()
        decoder.trust()
        start = time.process_time()
        longest = decoding = 0.0
        for k in range(0, len(data), _PIECE):
            began = time.process_time()
            decoder.feed(data[k : k + _PIECE])
            messages = list(decoder)
            decoding += time.process_time() - began
            for message in messages:
                link.take(message, 0)
            debugger.took(_PIECE)
            longest = max(longest, time.process_time() - began)
        took = time.process_time() - start
        print(
            f"{kind}: {count / took:,.0f} tx/s, of which decoding {decoding / took:.0%}, "
            f"longest piece {longest * 1000:.1f} ms, {len(data) / count:.0f} B each on the wire"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
