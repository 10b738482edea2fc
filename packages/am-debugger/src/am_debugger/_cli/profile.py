"""`am-dbg profile`: where time and transitions of a recorded run went."""

from __future__ import annotations

import argparse

from .._derive.profile import Profile
from .._derive.profile_page import profile_page
from .._files.inspect import inert
from .loading import OK, answered, load


def profile(argv: list[str]) -> int:
    """`am-dbg profile DUMP`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg profile",
        description="Tell the busiest states, the longest handlers and transitions, and which "
        "states were active longest, over all machines.",
    )
    parser.add_argument("dump", metavar="DUMP")
    options = parser.parse_args(argv)
    return answered(lambda: _profile(options))


def _profile(options: argparse.Namespace) -> int:
    store = load(options.dump)
    found = Profile(store)
    for _ in found.look():
        pass
    for fact in profile_page(store, found):
        print(inert(fact.text))
    return OK
