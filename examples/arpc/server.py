# /// script
# requires-python = ">=3.11"
# dependencies = ["am-rpc"]
# ///
"""The serving process: `python -m examples.arpc.server unix:/tmp/squares`, until SIGTERM."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import trio

import am_helpers as ah
import am_machine as am
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.arpc.states import SquareStates  # noqa: E402 - found by the line above


class Squares:
    """Answers each `Square` with a payload to all clients."""

    def SquareEnter(self, event: am.Event) -> bool:
        """Accept numbers only."""
        return type(event.args.get("n")) is int

    def SquareState(self, event: am.Event) -> None:
        """Send the answer, then count it."""
        number = event.args["n"]
        event.machine.add("SendPayload", name="square", data=[number, number**2])
        event.machine.add("Counted")


async def main(addr: str) -> None:
    """Serve until the process is told to end."""
    async with (
        am.Machine(SquareStates, id="squares", handlers=Squares()) as mach,
        am_rpc.Mux(mach, addr) as mux,
    ):
        ah.debug_env(mach)
        mach.add("Ready")
        with trio.open_signal_receiver(signal.SIGTERM) as ends:
            print(f"serving {mux.addr}", flush=True)
            await anext(ends)  # Ctrl+C ends it by an exception


if __name__ == "__main__":
    try:
        trio.run(main, sys.argv[1])
    except* KeyboardInterrupt:
        sys.exit(0)
