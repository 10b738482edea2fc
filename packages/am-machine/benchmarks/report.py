"""Runs the benchmarks, prints what they say as ratios, and says which limits hold.

    python packages/am-machine/benchmarks/report.py [--write] [--json FILE] [--only EXPRESSION]

`--write` renews docs/benchmarks.md and its plots; `--json` reports on a run that was kept;
`--only` measures the benchmarks that match, and reports on what there is. `--check` fails if a
limit is missed by more than twice: what a busy machine cannot explain.
"""

# ruff: noqa: RUF001 -- the signs for "times" and "micro" are meant
from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
# A limit missed by this factor is missed on any machine.
SLACK = 2

sys.path.insert(0, str(HERE))

import plots  # noqa: E402
import results as measured  # noqa: E402
from limits import LIMITS, Limit  # noqa: E402
from peers import DISTRIBUTIONS, LIBRARIES, OURS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

SIDE_BY_SIDE = {
    "toggle, bare": "toggle: switched on and off",
    "toggle, state": "toggle with a handler on entering",
    "toggle, enter and state": "toggle with a guard and a handler on entering",
    "rings": "a step round a ring of 50 states",
    "pings": "entering the active state again, with two arguments, and a handler",
    "queue of 1,000": "one mutation of 1,000 made in a handler",
    "readers": "is a state active?",
    "creators": "one more machine",
}
ALONE = {
    "resolve": "resolving an `add` without a plan",
    "cycling adds": "an `add` in turn through 50 states with random relations",
    "misses": "a `set` of ten of 50 related states that has no plan",
    "compiling": "compiling a schema",
    "1,000 waits": "one of 1,000 waits",
    "listening": "toggle with a handler while somebody listens",
}
CURVES = {
    "states": ("Cached toggle by number of states", "states", 2.0),
    "pending waits": ("Toggle by waits pending on other states", "pending waits", 1.5),
}


def main() -> int:
    options = arguments()
    with tempfile.TemporaryDirectory() as folder:
        path = options.json or Path(folder, "run.json")
        if options.json is None:
            run(path, options.only)
        results = measured.read(path)
    lines = list(page(results))
    print("\n".join(lines))
    if options.write:
        PAGE.parent.mkdir(exist_ok=True)
        PAGE.write_text("\n".join(lines) + "\n")
        for scenario, (title, unit, limit) in CURVES.items():
            svg = plots.growth(title, unit, results.curve(scenario), limit)
            plot_path(scenario).write_text(svg)
    missed = [limit.name for limit, figure in figures(results) if missed_badly(limit, figure)]
    for name in missed:
        print(f"missed by far: {name}", file=sys.stderr)
    return 1 if missed and options.check else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md")
    parser.add_argument("--json", type=Path, help="report on this run instead of a new one")
    parser.add_argument("--only", default="", help="a pytest -k expression")
    parser.add_argument("--check", action="store_true", help="fail if a limit is missed by far")
    return parser.parse_args()


def run(path: Path, only: str) -> None:
    """Measure everything in one run of pytest."""
    command = [sys.executable, "-m", "pytest", str(HERE), "-q", "-p", "no:cacheprovider"]
    # Its log capture would listen to the very lines whose price for nobody is measured.
    command += ["-p", "no:logging"]
    command += ["-o", "python_files=bench_*.py", "-o", f"pythonpath={HERE}", "-m", "bench"]
    command += ["-o", "addopts=--import-mode=importlib", "--benchmark-columns=median"]
    # The time of the processor, not of the wall: what else the machine does is left out.
    command += ["--benchmark-timer=time.process_time"]
    command += ["--benchmark-quiet", f"--benchmark-json={path}"]
    done = subprocess.run([*command, *(["-k", only] if only else [])], cwd=ROOT)
    if done.returncode:
        sys.exit(f"the benchmarks failed: pytest ended with {done.returncode}")


def figures(results: measured.Results) -> Iterator[tuple[Limit, float]]:
    """Each limit whose figure was measured."""
    for limit in LIMITS:
        try:
            yield limit, limit.figure(results)
        except (KeyError, IndexError):
            continue


def missed_badly(limit: Limit, figure: float) -> bool:
    return not limit.holds(figure * SLACK if limit.more else figure / SLACK)


def page(results: measured.Results) -> Iterator[str]:
    """The whole report, as Markdown."""
    yield "# Benchmarks"
    yield ""
    yield "Written by `nox -s bench -- --write`; the benchmarks themselves are in"
    yield "`packages/am-machine/benchmarks/`. All figures are of one run: each benchmark is a"
    yield "median of many short rounds of processor time, the suite runs in laps, and a ratio is"
    yield "the median of the ratios within each lap. Compare ratios, not seconds."
    yield ""
    yield "Pages of their own: [machines in other processes](benchmarks-rpc.md) beside a bare"
    yield "echo and grpcio, [pools of workers](../packages/am-node/docs/speed.md) beside others."
    yield ""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in DISTRIBUTIONS)
    yield f"Machine: {results.cpu}, {os.cpu_count()} cores, {platform.system()}. {results.python}."
    yield f"Versions: {versions}."
    yield ""
    yield from limits_table(results)
    yield from side_by_side(results)
    yield from alone(results)
    yield from curves(results)


def limits_table(results: measured.Results) -> Iterator[str]:
    yield "## Limits"
    yield ""
    yield "| what | measured | limit | |"
    yield "| ---- | -------: | ----: | - |"
    for limit, figure in figures(results):
        verdict = "holds" if limit.holds(figure) else "**missed**"
        yield f"| {limit.name} | {limit.text(figure)} | {limit.bound_text()} | {verdict} |"
    yield ""


def side_by_side(results: measured.Results) -> Iterator[str]:
    found = {name: title for name, title in SIDE_BY_SIDE.items() if results.variants(name)}
    if not found:
        return
    yield "## Beside other libraries"
    yield ""
    yield "Time per operation, and how many times that of am-machine it is (below 1× we lose)."
    yield "A dash: the library has no such thing."
    yield ""
    yield f"| operation | {' | '.join(LIBRARIES)} |"
    yield f"| --------- | {' | '.join('---:' for _ in LIBRARIES)} |"
    for scenario, title in found.items():
        cells = [cell(results, scenario, library) for library in LIBRARIES]
        yield f"| {title} | {' | '.join(cells)} |"
    yield ""


def cell(results: measured.Results, scenario: str, library: str) -> str:
    if library not in results.variants(scenario):
        return "-"
    time = duration(results.seconds(scenario, library))
    if library == OURS or OURS not in results.variants(scenario):
        return time
    return f"{time} ({results.ratio((scenario, library), (scenario, OURS)):.3g}×)"


def alone(results: measured.Results) -> Iterator[str]:
    rows = [
        (title, variant, duration(results.seconds(scenario, variant)))
        for scenario, title in ALONE.items()
        for variant in results.variants(scenario)
    ]
    if not rows:
        return
    yield "## am-machine alone"
    yield ""
    yield "| operation | variant | time |"
    yield "| --------- | ------- | ---: |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def curves(results: measured.Results) -> Iterator[str]:
    found = {name: curve for name, curve in CURVES.items() if results.variants(name)}
    if not found:
        return
    yield "## As the work grows"
    yield ""
    for scenario, (title, unit, _) in found.items():
        points = results.curve(scenario)
        yield f"{title}, as a multiple of the smallest:"
        yield ""
        yield f"| {unit} | {' | '.join(f'{size:,}' for size, _ in points)} |"
        yield f"| --- | {' | '.join('---:' for _ in points)} |"
        yield f"| cost | {' | '.join(f'{factor:.2f}×' for _, factor in points)} |"
        yield ""
        yield f"![{title}]({plot_path(scenario).name})"
        yield ""


def plot_path(scenario: str) -> Path:
    return PAGE.with_name(f"benchmarks-{scenario.replace(' ', '-')}.svg")


def duration(seconds: float) -> str:
    """A time with three digits in the unit that suits it."""
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


if __name__ == "__main__":
    sys.exit(main())
