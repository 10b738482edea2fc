"""`python -m am_machine`: what is installed, and whether it works here.

Prints the versions of Python, of trio, and of this distribution with all that build on it, and then
tries a machine out: relations, a vote, a task that ends with its state, a wait, disposal. The exit
code is 0 if that went as it should, else 1.
"""

from __future__ import annotations

import argparse
import platform
import sys
from importlib.metadata import distributions, version
from typing import TYPE_CHECKING

import trio
import trio.lowlevel

from am_machine import CANCELED, EXECUTED, Event, Machine, State, States

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LIMIT = 5.0  # seconds for all that is tried
EPILOG = """examples:
  python -m am_machine             versions and a self-check
  python -m am_machine --versions  the versions alone, to paste into a report
"""


class _DoorStates(States):
    Closed = State(remove=["Open"])
    Open = State(remove=[Closed])
    Locked = State(require=[Closed])
    Draughty = State(auto=True, require=[Open])
    Airing = State(require=[Open])
    Aired = State()


class _Door:
    def LockedEnter(self, event: Event) -> bool:
        return bool(event.args["key"] == "brass")

    async def AiringState(self, event: Event) -> None:
        await trio.lowlevel.checkpoint()
        event.add("Aired")
        await trio.sleep_forever()


def _installed() -> Iterator[tuple[str, str]]:
    """This distribution and each one that needs it, with their versions."""
    own = "am-machine"
    yield own, version(own)
    found = {
        (found.metadata["Name"], found.version)
        for found in distributions()
        if any(need.startswith(own) for need in found.requires or ())
    }
    yield from sorted(found)


async def _trials() -> list[str]:
    """What does not go as it should, a line each."""
    faults: list[str] = []

    def expect(what: str, is_so: bool) -> None:
        if not is_so:
            faults.append(what)

    with trio.fail_after(LIMIT):
        async with Machine(_DoorStates, handlers=_Door(), id="door") as door:
            expect("a mutation is executed", door.add("Closed") is EXECUTED)
            expect("a handler refuses", door.add("Locked", key="tin") is CANCELED)
            expect("a handler agrees", door.add("Locked", key="brass") is EXECUTED)
            expect("clocks count", str(door) == "(Closed:1 Locked:1)")
            opened = door.when("Draughty")
            door.add("Open")
            expect("relations resolve", door.active == ("Open", "Draughty") and opened.done)
            door.add("Airing")
            await door.when("Aired")
            door.add("Closed")
            expect("a state's end is its tasks' end", door.not_("Airing"))
            expect("nothing failed", door.err is None)
        expect("a machine ends with its block", door.disposed)
    return faults


def main(arguments: Sequence[str] | None = None) -> int:
    """Print versions, try a machine out; the exit code is 1 if that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m am_machine",
        description="What is installed, and whether it works here.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--versions", action="store_true", help="without the self-check")
    chosen = parser.parse_args(arguments)
    implementation = platform.python_implementation()
    print(f"{implementation} {platform.python_version()} on {platform.system()}")
    print(f"trio {trio.__version__}")
    for name, found in _installed():
        print(f"{name} {found}")
    if chosen.versions:
        return 0
    faults = trio.run(_trials)
    for fault in faults:
        print(f"self-check failed: {fault}", file=sys.stderr)
    if not faults:
        print("self-check passed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
