"""Commands that ask something of recorded runs: why, where two part, and a test of one machine."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from .._derive.why import why as reasons
from .._derive.why import why_lines
from .._files.as_test import written_test
from .._files.comparison import compare
from .._files.diagrams.draw import write_text
from .._files.inspect import inert
from .loading import FAILED, OK, UsageFault, answered, load, session_at

_MAKE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


# ---------------------------------------------------------------------- why


def why(argv: list[str]) -> int:
    """`am-dbg why DUMP MACH_URL State`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg why",
        description="Tell what made a state active at a moment, back to the origin over all "
        "machines and processes, or what stands in its way.",
    )
    parser.add_argument("dump", metavar="DUMP")
    parser.add_argument("url", metavar="MACH_URL", help="the machine, and the moment")
    parser.add_argument("state", metavar="STATE")
    options = parser.parse_args(argv)
    return answered(lambda: _why(options))


def _why(options: argparse.Namespace) -> int:
    session = session_at(options.dump, options.url)
    view = session.selected
    assert view is not None
    try:
        lines = why_lines(reasons(session.store, view.client, view.cursor, options.state))
    except ValueError as exc:
        raise UsageFault(f"{view.client.id} has no state {options.state} then") from exc
    for line in lines:
        print(inert(line))
    return OK


# ---------------------------------------------------------------------- diff


def diff(argv: list[str]) -> int:
    """`am-dbg diff A B`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg diff",
        description="Compare two recorded runs machine by machine: mutations, outcomes and clocks, "
        "never ids, times, durations and stacks. Machines are brought together by id, else by "
        "parent, tags and order of arrival. Tells where each parts, the first in time first. Exit "
        "codes: 0 alike, 1 they differ, 2 usage, 4 a dump cannot be read.",
    )
    parser.add_argument("a", metavar="A")
    parser.add_argument("b", metavar="B")
    options = parser.parse_args(argv)
    return answered(lambda: _diff(options))


def _diff(options: argparse.Namespace) -> int:
    found = compare(load(options.a), load(options.b))
    for line in found.lines:
        print(line)
    return FAILED if found.differ else OK


# ---------------------------------------------------------------------- test


def test(argv: list[str]) -> int:
    """`am-dbg test DUMP --machine ID [--make MODULE:FUNCTION] [-o FILE]`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg test",
        description="Write a pytest file that makes the mutations that others made on a machine, "
        "and asserts the clocks that came of them.",
    )
    parser.add_argument("dump", metavar="DUMP")
    parser.add_argument("--machine", required=True, metavar="ID")
    parser.add_argument(
        "--make",
        metavar="MODULE:FUNCTION",
        help="makes the machine anew; without it the test has its schema, and no handlers",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: stdout")
    options = parser.parse_args(argv)
    return answered(lambda: _test(options))


def _test(options: argparse.Namespace) -> int:
    if options.make is not None and not _MAKE.fullmatch(options.make):
        raise UsageFault(f"--make is {options.make!r:.100}, not as in package.module:function")
    store = load(options.dump)
    client = store.get(options.machine)
    if client is None:
        raise UsageFault(f"there is no machine {options.machine}")
    made = written_test(store, client, Path(options.dump).name, options.make)
    if options.out is None:
        print(made.text, end="")
    else:
        write_text(options.out, made.text)
        print(f"{options.out}: {made.steps} mutations")
    if made.reason:
        print(f"am-dbg: the test is skipped: {made.reason}", file=sys.stderr)
    return OK
