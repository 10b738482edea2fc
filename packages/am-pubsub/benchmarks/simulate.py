"""Play the scenarios of a topic and print goal and figure of each; exit with 1 if one misses.

`--seeds N` plays seeds 0 to N - 1, `--seed K` that one alone, `--only NAME` some scenarios,
`--peers 1000` those that have a size at that size.
"""

from __future__ import annotations

import argparse
import inspect
import sys
from functools import partial

from am_pubsub.testing import SCENARIOS, Figure


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--only", nargs="+", choices=sorted(SCENARIOS), default=list(SCENARIOS))
    parser.add_argument("--peers", type=int)
    options = parser.parse_args()
    seeds = range(options.seeds) if options.seed is None else [options.seed]
    missed = 0
    print(f"{'seed':>4}  {'figure':<52} {'value':>10} {'goal':>8} unit")
    for name in options.only:
        play = SCENARIOS[name]
        if options.peers and "peers" in inspect.signature(play).parameters:
            play = partial(play, peers=options.peers)  # type: ignore[call-arg]
        for seed in seeds:
            for figure in play(seed):
                missed += not figure.holds
                print(line(seed, figure), flush=True)
    return 1 if missed else 0


def line(seed: int, figure: Figure) -> str:
    """Return a row of the table."""
    goal = "-" if figure.goal is None else f"{figure.goal:g}"
    note = "" if figure.holds else "  missed"
    return f"{seed:>4}  {figure.what:<52} {figure.value:>10.3g} {goal:>8} {figure.unit}{note}"


if __name__ == "__main__":
    sys.exit(main())
