"""Exit codes of the commands, and the one line that goes with them."""

from __future__ import annotations

import sys
from typing import Final

import am_rpc

from .._errors import EntryPointError, NodeError, WorkError, WorkTimeout
from .._escape import printable

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
UNREACHED: Final = 3
LATE: Final = 4
# The work was done, or a part of it, and could not be written.
UNWRITTEN: Final = 5
# A fault of this program.
INTERNAL: Final = 70
INTERRUPTED: Final = 130


class OutputError(NodeError):
    """What was asked for cannot be written; `quiet` if nobody is there to read it."""

    def __init__(self, message: str, quiet: bool = False) -> None:
        super().__init__(message)
        self.quiet = quiet


def code_of(error: BaseException) -> int:
    """The exit code of what ended a command."""
    for kinds, code in _CODES:
        if isinstance(error, kinds):
            return code
    return INTERNAL


_CODES: Final[tuple[tuple[tuple[type[BaseException], ...], int], ...]] = (
    ((OutputError,), UNWRITTEN),
    ((WorkError,), FAILED),
    ((WorkTimeout,), LATE),
    # Args that cannot be sent: an error of RPC that no other worker would mend.
    ((EntryPointError, am_rpc.EncodeError), USAGE),
    ((NodeError, am_rpc.RpcError, OSError), UNREACHED),
    # What the user gave makes no sense, or not here.
    ((ValueError, TypeError, RuntimeError), USAGE),
    ((KeyboardInterrupt,), INTERRUPTED),
)


def complain(text: str) -> None:
    """Write one line to stderr, if there is one; what others said in it is no command to it."""
    line = " ".join(printable(text).split("\n"))
    if sys.stderr is None:  # print would write to stdout instead
        return
    try:
        print(f"am-node: {line}", file=sys.stderr, flush=True)
    except (OSError, ValueError):  # nobody can be told
        return
