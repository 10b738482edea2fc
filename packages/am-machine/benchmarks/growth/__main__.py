"""Measures how costs grow, prints a table, and fails where a curve bends.

    python packages/am-machine/benchmarks/growth [--only C3 C8] [--small]

Rows of other packages are found in the tree, in `packages/*/benchmarks/growth`; an unpacked source
distribution has its own alone. `--small` takes few sizes and little time. `--attempts 3` measures a
bent row again before it is believed, but for those known to be bent, named after `--once`.
`--json FILE` writes down which rows are bent.
"""

# ruff: noqa: RUF001 -- the sign for "micro" is meant
from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).resolve().parent
PACKAGES = HERE.parents[2]
OWN = "am-machine"  # whatever the folder is called that this one is in
sys.path.insert(0, str(HERE.parent))

from growth import AtMost, Grows, Outcome, Row, outcome  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterable

HEAD = ("row", "operation", "by size", "exponent", "goal", "over the goal's shape", "verdict")


def main() -> int:
    options = arguments()
    rows = chosen(list(all_rows(options.package)), options.only)
    if options.small:
        rows = [row for row in rows if row.small]
    outcomes = []
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}", flush=True)
    started = time.monotonic()
    for row in rows:
        attempts = 1 if row.key in options.once else options.attempts
        outcomes.append(outcome(row, small=options.small, attempts=attempts))
        print(f"| {' | '.join(cells(outcomes[-1]))} |", flush=True)
    bent = [one.row.key for one in outcomes if one.bent]
    print(f"\n{len(rows)} rows in {time.monotonic() - started:.0f} s, {len(bent)} bent", end="")
    print(f": {', '.join(bent)}" if bent else "")
    if options.json:
        options.json.write_text(json.dumps({one.row.key: one.bent for one in outcomes}))
    return 1 if bent else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="growth", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], help="beginnings of the keys of rows")
    parser.add_argument("--package", default="*", help="the rows of this one, such as am-machine")
    parser.add_argument("--small", action="store_true", help="few sizes, little time")
    parser.add_argument("--attempts", type=int, default=1, help="times to measure a bent row")
    parser.add_argument("--once", nargs="+", default=[], help="keys of rows to measure once")
    parser.add_argument("--json", type=Path, help="write down which rows are bent")
    return parser.parse_args()


def all_rows(package: str) -> Iterable[Row]:
    """The rows of this package, or of all that are installed."""
    own = [(OWN, path) for path in HERE.glob("rows_*.py") if package in ("*", OWN)]
    others = PACKAGES.glob(f"{package}/benchmarks/growth/rows_*.py")
    named = [(path.relative_to(PACKAGES).parts[0], path) for path in others if path.parent != HERE]
    for name, path in sorted(own + named):
        owner = name.replace("-", "_")
        if not owner.isidentifier() or importlib.util.find_spec(owner) is None:
            continue
        room = f"growth_{owner}_{path.stem}"
        spec = importlib.util.spec_from_file_location(room, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[room] = module
        spec.loader.exec_module(module)
        yield from module.ROWS


def chosen(rows: list[Row], only: list[str]) -> list[Row]:
    """Those whose key is one of these, or begins with one of these and a letter or a space."""
    if not only:
        return rows
    found = [row for row in rows if any(is_of(row.key, wanted) for wanted in only)]
    if not found:
        sys.exit(f"no row is called {' or '.join(only)}; there are {[r.key for r in rows]}")
    return found


def is_of(key: str, wanted: str) -> bool:
    rest = key.removeprefix(wanted)
    return key == wanted or (rest != key and not rest[0].isdigit())


# -- the table ------------------------------------------------------------------------------------


def cells(found: Outcome) -> list[str]:
    row, goal = found.row, found.row.goal
    by_size = ", ".join(f"{size:,}: {figure(y, row.unit)}" for size, y in found.figures.items())
    slope = "-" if found.exponent is None else f"{found.exponent:.2f}"
    worst = "-"
    if found.worst is not None:
        worst = f"{found.worst.median:.2f} (low {found.worst.low:.2f})"
    if isinstance(goal, Grows):
        told = f"{goal.text}, within {goal.factor:g}"
        if found.steady != min(found.figures):
            told += f", from {found.steady:,}"
    else:
        told = goal.text if isinstance(goal, AtMost) else "-"
    verdict = "**bent**" if found.bent else "holds" if goal else "reported"
    return [row.key, row.title, by_size, slope, told, worst, verdict]


def figure(value: float, unit: str) -> str:
    """Three digits in the unit that suits."""
    if unit != "s":
        return f"{value:.3g} {unit}"
    for name, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {name}"
    return f"{value * 1e9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main())
