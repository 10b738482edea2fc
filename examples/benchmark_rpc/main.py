# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc", "grpcio>=1.66"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""Subscribe, get, process: calls, bytes and time of a round, over four ways."""

from __future__ import annotations

import argparse
import importlib.util
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.benchmark_rpc import (  # noqa: E402 - found by the line above
    by_grpc,
    by_http,
    by_machine,
)
from examples.benchmark_rpc.traffic import counted  # noqa: E402 - likewise

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

FEW = 30  # rounds of which bytes are counted, and which come first, to warm up
TITLES = ("way", "calls", "bytes", "us")
OTHERS: dict[str, tuple[Callable[[str, int], int], Callable[[], object]]] = {
    "aRPC": (by_machine.arpc, lambda: trio.run(by_machine.serve)),
    "HTTP/JSON": (by_http.loop, by_http.serve),
    "gRPC": (by_grpc.loop, by_grpc.serve),
}


@contextmanager
def server(way: str) -> Generator[str]:
    """The other process, for as long as the block; yields its address."""
    command = [sys.executable, "-m", "examples.benchmark_rpc.main", "--serve", way]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGTERM)


def measure(way: str, rounds: int) -> tuple[str, str, str, str]:
    """A row of the table: what one round takes."""
    if way == "direct":
        by_machine.direct(FEW)
        began = time.perf_counter()
        calls, size = by_machine.direct(rounds), 0.0
        took = time.perf_counter() - began
    elif way == "gRPC" and importlib.util.find_spec("grpc") is None:
        return (way, "…", "…", "grpcio is not installed")
    else:
        loop, _ = OTHERS[way]
        with server(way) as addr:
            with counted(addr) as (before, few):
                loop(before, FEW)
            with counted(addr) as (before, many):
                loop(before, 3 * FEW)
            # What a connection costs once is in both.
            size = (many.bytes - few.bytes) / (2 * FEW)
            began = time.perf_counter()
            calls = loop(addr, rounds)
            took = time.perf_counter() - began
    return (way, f"{calls / rounds:.0f}", f"{size:.0f}", f"{took / rounds * 1e6:.0f}")


def table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns that stand below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES) - 1)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:3], widths[1:]), row[3]])
        for row in rows
    )


def main() -> None:
    """Print the table, or be one of its servers."""
    parser = argparse.ArgumentParser(prog="benchmark_rpc", description=__doc__)
    parser.add_argument("--rounds", type=int, default=300, help="of each way")
    parser.add_argument("--write", type=Path, help="a file for the table, too")
    parser.add_argument("--serve", choices=OTHERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        OTHERS[options.serve][1]()
        return
    rows = [TITLES, *(measure(way, options.rounds) for way in ("direct", *OTHERS))]
    print(table(rows))
    if options.write:
        options.write.parent.mkdir(parents=True, exist_ok=True)
        lines = [" | ".join(row) for row in (rows[0], ("---",) * len(TITLES), *rows[1:])]
        options.write.write_text("".join(f"| {line} |\n" for line in lines))


if __name__ == "__main__":
    main()
