"""Play the scenarios of a topic and print goal and figure of each; exit with 1 if one misses.

`--seeds N` plays seeds 0 to N - 1, `--seed K` that one alone, `--only NAME` some scenarios or
costs, `--peers 1000` those that have a size at that size.
"""

from __future__ import annotations

import argparse
import gc
import inspect
import sys
from functools import partial

from costs import COSTS

from am_pubsub.testing import SCENARIOS, Figure


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int)
    names = [*SCENARIOS, *COSTS]
    parser.add_argument("--only", nargs="+", choices=sorted(names), default=names)
    parser.add_argument("--peers", type=int)
    options = parser.parse_args()
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    # Millions of records that live as long as their network: looking for rubbish finds none.
    gc.disable()
    missed = 0
    print(f"{'seed':>4}  {'figure':<52} {'value':>10} {'goal':>8} unit")
    for name in options.only:
        if name in COSTS:
            missed += show("-", [COSTS[name]()])
            continue
        play = SCENARIOS[name]
        if options.peers and "peers" in inspect.signature(play).parameters:
            play = partial(play, peers=options.peers)  # type: ignore[call-arg]
        for seed in seeds:
            missed += show(str(seed), play(seed))
            gc.collect()
    return 1 if missed else 0


def show(seed: str, figures: list[Figure]) -> int:
    """Print rows of the table; return how many miss their goal."""
    for figure in figures:
        print(line(seed, figure), flush=True)
    return sum(not figure.holds for figure in figures)


def line(seed: str, figure: Figure) -> str:
    """Return a row of the table."""
    goal = "-" if figure.goal is None else f"{figure.goal:g}"
    note = "" if figure.holds else "  missed"
    return f"{seed:>4}  {figure.what:<52} {figure.value:>10.3g} {goal:>8} {figure.unit}{note}"


if __name__ == "__main__":
    sys.exit(main())
