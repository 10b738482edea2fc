"""The work done under chaos: long enough to be interrupted, and easy to check."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING

import trio

import am_node

if TYPE_CHECKING:
    import am_machine as am

# The variable that names the file to which each begun request is written.
LOG = "AM_NODE_CHAOS_LOG"
# The variable that names the file to which each worker writes its id and its pid. On other hosts
# nobody else knows that.
PIDS = "AM_NODE_CHAOS_PIDS"
_LINE = b"x" * 998 + b"\n"


class Hasher(am_node.Worker):
    """Hashes a number, with a pause in the middle."""

    def ReadyState(self, e: am.Event) -> None:
        """Tell which process this is."""
        if PIDS in os.environ:
            with open(os.environ[PIDS], "a") as pids:
                pids.write(f"{self.mach.id} {os.getpid()}\n")

    async def work(self, number: int) -> int:
        """Return the check value of `number`."""
        note(number)
        await trio.sleep(0.02 * (number % 5))
        return result_of(number)


class Slow(Hasher):
    """Takes some seconds, in which its engine may want its place."""

    async def work(self, number: int) -> int:
        """Return the check value of `number`, after a while."""
        note(number)
        await trio.sleep(6)  # longer than an engine takes to tell it to leave
        return result_of(number)


class Unruly(Hasher):
    """Does besides, the first time that it is asked for certain numbers, what workers should not.

    It is also replaced after some tasks.
    """

    max_tasks = 60

    async def work(self, number: int) -> int:
        """Return the check value of `number`, if it gets that far."""
        if misdeed_of(number) and not begun(number):
            note(number)
            _misbehave(number)
        return await super().work(number)


# Small numbers, so that a run of seconds meets every kind.
_MISDEEDS = (
    (41, 7, "ends"),
    (43, 11, "exits with a code"),
    (47, 17, "crashes"),
    (53, 23, "fills its output"),
    (499, 29, "stands still"),
)
EACH_MET = max(rest for _, rest, _ in _MISDEEDS)
"""Up to this number there is one misdeed of each kind."""


def misdeed_of(number: int) -> str | None:
    """Tell what an unruly worker does the first time that it is asked for a number."""
    return next((what for by, rest, what in _MISDEEDS if number % by == rest), None)


def _misbehave(number: int) -> None:
    match misdeed_of(number):
        case "ends":
            os._exit(0)
        case "exits with a code":
            sys.stderr.write("about to exit\n")
            os._exit(3)
        case "crashes":
            os.kill(os.getpid(), signal.SIGSEGV)
        case "fills its output":
            until = time.monotonic() + 1.0
            while time.monotonic() < until:
                os.write(1 + number % 2, _LINE)
        case "stands still":
            time.sleep(1000)  # the loop does nothing else: the silence is noticed


def begun(number: int) -> bool:
    """Tell whether anybody has begun this number before."""
    with open(os.environ[LOG]) as log:
        return f"{number}\n" in log.readlines()


def note(number: int) -> None:
    """Tell, once for all, that a request was begun."""
    with open(os.environ[LOG], "a") as log:
        log.write(f"{number}\n")


def result_of(number: int) -> int:
    """The check value, as plain Python."""
    return int.from_bytes(hashlib.sha256(str(number).encode()).digest()[:6])
