"""Measure what the page of comparisons says, in one run: `python -m docs.compare [--write]`.

One transition and a thousand idle jobs beside other libraries, and the lines of code of two
programs. `--write` puts the table into the page.
"""

# ruff: noqa: RUF001 -- the signs for "times" and "micro" are meant
from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from docs.compare import pools, turnstiles
from docs.compare.expense_temporal import WORKFLOWS
from docs.compare.lines import rows

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = Path(__file__).parents[1] / "comparison.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"
PEERS = ("trio", "transitions", "python-statemachine", "ray", "temporalio")


def transitions(rounds: int, turns: int) -> dict[str, float]:
    """Microseconds of processor time per transition, the median of rounds taken in turn."""
    made = {name: make() for name, make in turnstiles.ALL.items()}
    times: dict[str, list[float]] = {name: [] for name in made}
    for _ in range(rounds):
        for name, (coin, push, _) in made.items():
            began = time.process_time()
            for _ in range(turns):
                coin()
                push()
            times[name].append(1e6 * (time.process_time() - began) / (2 * turns))
    return {name: statistics.median(found) for name, found in times.items()}


def agree() -> None:
    """All turnstiles tell the same story.

    :raises AssertionError: if one of them does not.
    """
    told = {name: turnstiles.story(make()) for name, make in turnstiles.ALL.items()}
    assert len({str(story) for story in told.values()}) == 1, told


def sandboxed() -> None:
    """Temporal takes the workflow: its sandbox imports it and knows its parts."""
    from temporalio.worker import Replayer

    Replayer(workflows=WORKFLOWS)


def table(options: argparse.Namespace) -> Iterator[str]:
    """The table, in Markdown."""
    yield "| what | by | figure | × ours |"
    yield "| ---- | -- | -----: | -----: |"
    found = transitions(options.rounds, options.turns)
    for name, micros in found.items():
        ratio = micros / found["am-machine"]
        yield f"| one input of a turnstile | {name} | {micros:.2f} µs | {ratio:.1f} |"
    jobs = trio.run(pools.measure, options.jobs, options.rounds)
    best = {name: min(times) for name, (_, times) in jobs.items()}
    first = next(iter(best.values()))
    for name, seconds in best.items():
        what = f"{options.jobs} jobs that do nothing, {pools.WORKERS} workers"
        yield f"| {what} | {name} | {1e3 * seconds:.0f} ms | {seconds / first:.1f} |"
    starts = {name: start for name, (start, _) in jobs.items()}
    first = next(iter(starts.values()))
    for name, seconds in starts.items():
        what = "from nothing to the first result"
        yield f"| {what} | {name} | {seconds:.2f} s | {seconds / first:.1f} |"
    yield from rows()


def setting() -> str:
    """Where and when that was measured."""
    peers = ", ".join(f"{name} {version(name)}" for name in PEERS)
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors, load "
        f"{os.getloadavg()[0]:.1f} at the start, {platform.python_implementation()} "
        f"{platform.python_version()}, {peers}."
    )


def main() -> int:
    """Print the table, or put it into its page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", action="store_true", help="renew docs/comparison.md")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1000)
    options = parser.parse_args()
    where = setting()
    agree()
    sandboxed()
    text = "\n".join([*table(options), "", where, ""])
    print(text)
    if options.write:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
