"""`am-dbg lint`: what looks wrong in a recorded run, or in what a collector has."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from .._derive.lints.lints import RULES
from .._derive.lints.lints import lint as look
from .._derive.lints.page import finding_lines
from .loading import FAILED, OK, UsageFault, answered, load
from .values import UsageError, address, seconds

if TYPE_CHECKING:
    from .._derive.lints.finding import Finding
    from .._store.store import Store

_REFUSED = 3
_PATIENCE = 10.0


def lint(argv: list[str]) -> int:
    """`am-dbg lint DUMP` or `am-dbg lint --from ADDR`.

    Prints what looks wrong, then what was looked at. Exit codes as those of a search: 0 nothing was
    found, 1 something was, 2 usage, 3 there is no collector or it refuses us, 4 bad dump.
    """
    parser = argparse.ArgumentParser(
        prog="am-dbg lint",
        description="Tell what looks wrong in a run: why, where, and how to silence it (by the tag "
        "dbg:quiet on a machine or a state). Exit codes: 0 nothing found, 1 something, 2 usage, "
        "3 no collector, 4 bad dump.",
    )
    add = parser.add_argument
    add("dump", nargs="?", metavar="DUMP", help="a recorded run")
    add("--from", dest="view_from", type=address, metavar="ADDR", help="a collector: what it has")
    add(
        "--timeout", type=seconds, default=_PATIENCE, metavar="TIME",
        help="how long to wait for the collector; usual: 10s",
    )  # fmt: skip
    add("--ignore", default="", metavar="RULES", help=f"leave out some of {','.join(RULES)}")
    from .peers import add_peer_options

    add_peer_options(parser)
    options = parser.parse_args(argv)
    return answered(lambda: _lint(options))


def _lint(options: argparse.Namespace) -> int:
    ignored = set(filter(None, options.ignore.split(",")))
    if not ignored <= RULES.keys():
        raise UsageFault(f"--ignore takes some of {','.join(RULES)}")
    if (options.dump is None) is (options.view_from is None):
        raise UsageFault("give a dump, or --from and the address of a collector")
    if options.dump is not None:
        store = load(options.dump)
        return _tell(store, look(store), ignored)
    # The network, which dumps need not.
    from .lint_live import Refused, held_by

    try:
        store = held_by(options)
    except UsageError as exc:
        raise UsageFault(str(exc)) from exc
    except Refused as exc:
        print(f"am-dbg: {exc}", file=sys.stderr)
        return _REFUSED
    return _tell(store, look(store, time.time_ns() // 1000), ignored)


def _tell(store: Store, findings: list[Finding], ignored: set[str]) -> int:
    found = [one for one in findings if one.rule not in ignored]
    for one in found:
        for line in finding_lines(one):
            print(line)
    looked = f"{len(store)} machines, {store.transitions} transitions"
    print(f"{len(found) or 'nothing'} found in {looked}")
    return FAILED if found else OK
