"""The commands that work on dumps and need no screen."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from .._derive.query import parse_query
from .._errors import DumpError, QueryError
from .._files.inspect import inert, matches, summary
from .dump_commands import cut, render
from .lint import lint
from .loading import load
from .profile import profile
from .run_commands import diff, test, why

if TYPE_CHECKING:
    from collections.abc import Callable

_USAGE, _BAD_DUMP = 2, 4


def run_command(argv: list[str]) -> int:
    """Run one of `COMMANDS`, given with its arguments, and return the exit code."""
    try:
        code = COMMANDS[argv[0]]([_told_from_options(word) for word in argv[1:]])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left, as `head` does; nothing may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _told_from_options(word: str) -> str:
    """A query such as `-Ready` with a blank before it, by which argparse knows that it is no
    option: options are in small letters."""
    return f" {word}" if word[:1] == "-" and word[1:2].isupper() else word


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


def wait(argv: list[str]) -> int:
    """`am-dbg wait QUERY --from ADDR --timeout S`, which alone of these needs the network."""
    from .wait import wait

    return wait(argv)


def export_html(argv: list[str]) -> int:
    """`am-dbg export-html DUMP MACH_URL`, which alone of these makes pages."""
    from .export_html import export_html

    return export_html(argv)


def pending(argv: list[str]) -> int:
    """`am-dbg pending DUMP` or `--from ADDR`."""
    from .pending import pending

    return pending(argv)


def mcp(argv: list[str]) -> int:
    """`am-dbg mcp [DUMP] [--from ADDR] [--write]`, whose library alone takes half a second."""
    from .mcp import mcp

    return mcp(argv)


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "inspect": inspect,
    "render": render,
    "cut": cut,
    "why": why,
    "diff": diff,
    "lint": lint,
    "test": test,
    "export-html": export_html,
    "profile": profile,
    "pending": pending,
    "wait": wait,
    "mcp": mcp,
}
