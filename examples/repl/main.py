# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""A greenhouse of three machines that `arpc` finds by their address files, until Ctrl+C."""

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

from examples.repl.machines import Pump, PumpStates, WindowStates  # noqa: E402 - found by that

FOLDER = Path("/tmp/greenhouse")


async def serve(folder: Path) -> None:
    """Run the three machines until the process is told to end."""
    async with (
        am.Machine(PumpStates, id="pump", handlers=Pump()) as pump,
        am.Machine(WindowStates, id="window-east") as east,
        am.Machine(WindowStates, id="window-west") as west,
    ):
        for mach in (pump, east, west):
            ah.debug_env(mach)
            mach.add("Ready")
            server = am_rpc.repl(mach, dir=folder, push_interval=0)
            print(f"{mach.id} at {await server.ready()}", flush=True)
        east.add("Closed")
        west.add("Closed")
        with trio.open_signal_receiver(signal.SIGTERM) as ends:
            print("ready", flush=True)
            await anext(ends)  # Ctrl+C ends it by an exception


def main() -> None:
    """Serve until Ctrl+C or SIGTERM, with address files in the directory that was given."""
    try:
        trio.run(serve, Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)
    except* KeyboardInterrupt:
        pass
    print("closed", flush=True)


if __name__ == "__main__":
    main()
