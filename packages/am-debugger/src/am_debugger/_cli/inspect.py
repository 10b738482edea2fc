"""`am-dbg inspect`: what a dump holds, and transitions of it."""

from __future__ import annotations

import argparse
import sys

from .._derive.query import parse_query
from .._errors import DumpError, QueryError
from .._files.inspect import inert, matches, summary
from .loading import load

_USAGE, _BAD_DUMP = 2, 4


def inspect(argv: list[str]) -> int:
    """`am-dbg inspect DUMP [--where QUERY]`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg inspect", description="Tell what a dump holds, or list transitions of it."
    )
    parser.add_argument("dump", metavar="DUMP", help="a file ending in .amdbg.gz or .amdbg.zst")
    parser.add_argument("--where", metavar="QUERY", help="list the transitions that this means")
    parser.add_argument(
        "--unfold",
        action="store_true",
        help="list runs of quiet transitions (dbg:quiet) one by one",
    )
    options = parser.parse_args(argv)
    try:
        query = None if options.where is None else parse_query(options.where)
        store = load(options.dump)
    except QueryError as exc:
        print(f"am-dbg: in the query, {inert(str(exc))}\n{exc.underlined}", file=sys.stderr)
        return _USAGE
    except DumpError as exc:
        print(f"am-dbg: {inert(str(exc))}", file=sys.stderr)
        return _BAD_DUMP
    for line in summary(store) if query is None else matches(store, query, unfold=options.unfold):
        print(line)
    return 0
