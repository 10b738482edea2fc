# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The source of it all: `python -m examples.tree_state_source.root`, until Ctrl+C.

With `--http` it answers readers itself, too, and prints a second line, the port for them.
"""

from __future__ import annotations

import random
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import trio

import am_helpers as ah
import am_machine as am
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.tree_state_source.board import (  # noqa: E402 - found by the line above
    FLIGHTS,
    GATES,
    PHASES,
    SERVICES,
    board,
    on_gate,
    taken_by,
)
from examples.tree_state_source.readers import serve_http  # noqa: E402 - likewise

PUSH_INTERVAL = 0.05


class Airport:
    """Lives through a day whenever it is asked to."""

    async def DayState(self, event: am.Event) -> None:
        """Move each flight through its phases, in an order that the seed decides."""
        mach, chance = event.machine, random.Random(event.args["seed"])
        for gate in GATES:
            mach.add(f"Gate{gate}Open")
        at: dict[int, int] = {}
        ahead = {flight: list(PHASES) for flight in FLIGHTS}
        while ahead:
            flight = chance.choice(list(ahead))
            phase = ahead[flight].pop(0)
            mach.add(f"Flight{flight}{phase}")
            if phase == "AtGate":
                at[flight] = chance.choice(GATES)
                mach.add(on_gate(flight, at[flight]), taken_by(at[flight], flight))
            elif phase == "PushBack":
                mach.remove(on_gate(flight, at[flight]), taken_by(at[flight], flight))
            mach.toggle(f"Gate{chance.choice(GATES)}{chance.choice(SERVICES)}")
            if not ahead[flight]:
                del ahead[flight]
            await trio.lowlevel.checkpoint()  # the servers have a turn
        mach.add("DayDone")


async def serve(*, http: bool = False) -> None:
    """Serve the board until the process is told to end."""
    async with (
        am.Machine(board(), id="board", handlers=Airport()) as mach,
        am_rpc.Mux(mach, "127.0.0.1:0", push_interval=PUSH_INTERVAL) as mux,
        AsyncExitStack() as readers,
    ):
        ah.debug_env(mach)
        mach.add("Ready")
        with trio.open_signal_receiver(signal.SIGTERM) as ends:
            print(mux.addr, flush=True)
            if http:
                print(await readers.enter_async_context(serve_http(mach, mux.stats)), flush=True)
            await anext(ends)  # Ctrl+C ends it by an exception


if __name__ == "__main__":
    try:
        trio.run(lambda: serve(http="--http" in sys.argv))
    except* KeyboardInterrupt:
        sys.exit(0)
