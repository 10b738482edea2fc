"""Compares this tree with another commit, row by row, both in turn in one run.

    python packages/am-machine/benchmarks/against --against COMMIT [--only ROW ...] [--rounds 8]

Wheels of both are built and unpacked beside each other, and a process of each version does the same
work alternately. A round is a new pair of processes; each takes `LAPS` pairs of samples of every
row. A row fails if it is slower (or larger) than its goal allows beyond doubt: if the lower bound
of the 95 % interval of the ratio exceeds it. The same goes for ratios within the new version.

What a mutation made in a handler takes is measured by difference. Two machines have the same states
A and B and a final handler of each; on one of them the handlers of A also switch B on and off. What
a toggle of A takes more there is the price of these two mutations: putting them into the queue with
their cause, taking them out, carrying them out with the handler of B, and settling their results.
That price is compared with the old version's; beside the same two mutations from outside it is
reported.
"""

# ruff: noqa: RUF001 -- the sign for "micro" is meant
from __future__ import annotations

import argparse
import sys
import tempfile
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from ratios import Ratio, ratio_of  # noqa: E402
from rows import ROWS  # noqa: E402
from versions import Versions, built  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LAPS = 5
ROUNDS = 8  # at least 30 pairs in all
NOISE = 1.05

# Row -> the most that the new version may take of what the old one takes.
GOALS = {
    "bare toggle": NOISE,
    "one handler": NOISE,
    "50 states, warm": NOISE,
    "50 states, cold": NOISE,
    "toggle beside a wait": NOISE,
    "create and meet a wait": NOISE,
    "memory per machine": NOISE,
}
Figures = dict[str, float]
NESTED = ("mutation in a handler", "its outer mutation alone")


def nested(y: Figures) -> float:
    """What the mutations made in handlers take, by difference."""
    return y["mutation in a handler"] - y["its outer mutation alone"]


# The same for what is worked out from several rows.
DERIVED: dict[str, tuple[tuple[str, ...], Callable[[Figures], float], float]] = {
    "mutation in a handler, by difference": (NESTED, nested, 0.55),
}
# What the new version may take of something else that it does itself; None: a mere report.
WITHIN: dict[str, tuple[tuple[str, ...], Callable[[Figures], float], float | None]] = {
    name: (rows, figure, goal)
    for name, rows, figure, goal in (
        (
            "one journal / nobody",
            ("one journal", "one handler"),
            lambda y: y["one journal"] / y["one handler"],
            1.75,
        ),
        (
            "two journals / nobody",
            ("two journals", "one handler"),
            lambda y: y["two journals"] / y["one handler"],
            1.9,
        ),
        (
            "served by am-rpc (queue_end) / nobody",
            ("tracer: queue_end", "one handler"),
            lambda y: y["tracer: queue_end"] / y["one handler"],
            1.75,
        ),
        (
            "two keywords / none, one handler",
            ("two keywords, one handler", "one handler"),
            lambda y: y["two keywords, one handler"] / y["one handler"],
            1.5,
        ),
        (
            "mutation in a handler / from outside",
            (*NESTED, "the same from outside"),
            lambda y: nested(y) / y["the same from outside"],
            None,
        ),
    )
}
# By version, then round by round and lap by lap: figures of all rows.
Samples = dict[str, list[list[Figures]]]


def main() -> int:
    options = arguments()
    wanted = [row for row in ROWS if not options.only or row in options.only]
    with tempfile.TemporaryDirectory() as folder:
        versions = built(Path(folder), options.against)
        samples = measured(versions, wanted, options.rounds)
    failed = list(report(samples, wanted, options.against))
    for name in failed:
        print(f"missed: {name}", file=sys.stderr)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="against", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--against", required=True, metavar="COMMIT", help="the other version")
    parser.add_argument("--only", nargs="+", default=[], choices=list(ROWS), metavar="ROW")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="pairs of processes")
    return parser.parse_args()


def measured(versions: Versions, rows: list[str], rounds: int) -> Samples:
    samples: Samples = {"old": [], "new": []}
    for number in range(rounds):
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
        with versions.at_work() as workers:
            counts = {row: workers["old"].ask(row, None) for row in rows}
            for row in rows:
                workers["new"].ask(row, None)
            for version in samples:
                samples[version].append([{} for _ in range(LAPS)])
            for lap in range(LAPS):
                for place, row in enumerate(rows):
                    # Neither is always the second.
                    order = ("old", "new") if (number + lap + place) % 2 else ("new", "old")
                    for version in order:
                        figure = workers[version].ask(row, counts[row])
                        samples[version][-1][lap][row] = figure
    return samples


# -- the report -----------------------------------------------------------------------------------


def report(samples: Samples, rows: list[str], commit: str) -> Iterator[str]:
    """Print both tables; yields what missed its goal."""
    pairs = sum(len(laps) for laps in samples["new"])
    print(f"\nThis tree beside {commit}: {pairs} pairs of samples of each row.\n")
    print("| row | old | new | new / old: min | median | max | low 95 % | goal | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    lines: list[tuple[str, Callable[[Figures], float], float | None]] = [
        (row, itemgetter(row), GOALS.get(row)) for row in rows
    ]
    lines += [(name, fn, goal) for name, (needed, fn, goal) in DERIVED.items()
              if set(needed) <= set(rows)]  # fmt: skip
    for name, fn, goal in lines:
        ratio = ratio_of(
            [
                [fn(new) / fn(old) for new, old in zip(news, olds, strict=True)]
                for news, olds in zip(samples["new"], samples["old"], strict=True)
            ]
        )
        figures = (figure(name, middle(samples[version], fn)) for version in ("old", "new"))
        print(f"| {name} | {' | '.join(figures)} | {told(ratio, goal)} |")
        if goal and ratio.low > goal:
            yield name
    print("\n| within one version | old: median | new: min | median | max | low 95 % | goal | |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for name, (needed, fn, goal) in WITHIN.items():
        if not set(needed) <= set(rows):
            continue
        old, new = (
            ratio_of([[fn(lap) for lap in laps] for laps in samples[version]])
            for version in ("old", "new")
        )
        print(f"| {name} | {old.median:.2f} | {told(new, goal)} |")
        if goal and new.low > goal:
            yield name


def told(ratio: Ratio, goal: float | None) -> str:
    cells = [f"{y:.3f}" for y in (ratio.least, ratio.median, ratio.most, ratio.low)]
    cells.append("-" if goal is None else f"≤ {goal:g}")
    cells.append("" if goal is None else "**missed**" if ratio.low > goal else "holds")
    return " | ".join(cells)


def middle(rounds: list[list[Figures]], fn: Callable[[Figures], float]) -> float:
    return ratio_of([[fn(lap) for lap in laps] for laps in rounds]).median


def figure(row: str, value: float) -> str:
    return f"{value:,.0f} bytes" if row.startswith("memory") else f"{value * 1e6:.3g} µs"


if __name__ == "__main__":
    sys.exit(main())
