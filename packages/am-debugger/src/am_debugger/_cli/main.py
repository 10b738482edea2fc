"""The entry point: what is quick is answered before anything large is imported."""

from __future__ import annotations

import gc
import sys

from ..__about__ import __version__

OK, INTERNAL, USAGE, CANNOT_LISTEN, BAD_DUMP = range(5)
# A collection of the middle ones goes through fifty thousand objects at most, some 8 ms: a key may
# wait for it. One of all comes as seldom as it may.
_GC_THRESHOLDS = (10_000, 5, 400)


def main(argv: list[str] | None = None) -> int:
    """Run `am-dbg` and return its exit code: 0 quit, 1 internal error, 2 usage, 3 cannot listen,
    4 bad dump, 129 and 143 ended by SIGHUP and SIGTERM."""
    args = sys.argv[1:] if argv is None else argv
    if args == ["--version"]:
        print(f"am-dbg {__version__}")
        return OK
    # A collection goes through all that is held: seldom, where much is held, as imports do.
    gc.set_threshold(*_GC_THRESHOLDS)
    from .commands import COMMANDS, run_command
    from .options import UsageError, parse

    if args and args[0] in COMMANDS:
        return run_command(args)
    try:
        options = parse(args)
        from .run import run

        return run(options)
    except UsageError as exc:
        print(f"am-dbg: {exc}", file=sys.stderr)
        return USAGE
