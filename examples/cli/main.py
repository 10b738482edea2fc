# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A command line: flags become mutations, states become the exit code, Ctrl+C disposes."""

from __future__ import annotations

import argparse
import signal
import sys
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Sequence


class SumStates(am.States):
    """What was asked for, what is going on, and how it ended."""

    Start = am.State()
    # Flags of the command line.
    Loud = am.State()
    Endless = am.State()
    # The work.
    Adding = am.State(require=[Start], remove=["Added"])
    Added = am.State(remove=[Adding])
    # Ends: each has its exit code.
    Done = am.State(auto=True, require=[Added], remove=["Failed", "Interrupted"])
    Failed = am.State(remove=[Adding, Done])
    Interrupted = am.State(remove=[Adding, Done])


EXIT_CODES = {"Done": 0, "Failed": 1, "Interrupted": 130}


class Sum:
    """Adds numbers up, as far as the limit allows."""

    def __init__(self, numbers: Sequence[int], limit: int) -> None:
        self.numbers = numbers
        self.limit = limit
        self.total = 0

    async def StartState(self, event: am.Event) -> None:
        """As long as the program runs, Ctrl+C is a mutation."""
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            event.add("Adding")
            async for _ in signals:
                event.add("Interrupted")

    async def AddingState(self, event: am.Event) -> None:
        """One number after another; the limit is a failure and no exception."""
        for number in self.numbers:
            self.total += number
            if "Loud" in event.machine:
                print(f"{number:+} makes {self.total}")
            if self.total > self.limit:
                event.add("Failed")
                return
            await trio.lowlevel.checkpoint()
        if "Endless" in event.machine:
            print("press Ctrl+C", flush=True)
            await trio.sleep_forever()
        event.add("Added")


def flags(options: argparse.Namespace) -> list[str]:
    """The states that stand for what was given on the command line."""
    return [name for name in ("Loud", "Endless") if getattr(options, name.lower())]


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="cli", description="Add numbers up.")
    made.add_argument("numbers", type=int, nargs="*", default=[1, 2, 3])
    made.add_argument("--limit", type=int, default=100, help="a larger sum is a failure")
    made.add_argument("--quiet", dest="loud", action="store_false", help="the sum alone")
    made.add_argument("--endless", action="store_true", help="go on until Ctrl+C")
    return made


async def story(arguments: Sequence[str] = ()) -> int:
    """Run the machine that the arguments ask for; the exit code."""
    options = parser().parse_args(arguments)
    work = Sum(options.numbers, options.limit)
    end: str | None = None
    async with am.Machine(SumStates, handlers=work, id="sum") as mach:
        amh.debug_env(mach)
        ended = mach.when_any(*EXIT_CODES)
        mach.add("Start", *flags(options))
        await ended
        end = mach.switch(*EXIT_CODES)
        print(f"{end}: the sum is {work.total}")
        print(mach)
    print("disposed:", mach.disposed)
    return EXIT_CODES[end or "Failed"]


def main() -> None:
    """Run with the arguments of the command line."""
    sys.exit(trio.run(story, sys.argv[1:]))


if __name__ == "__main__":
    main()
