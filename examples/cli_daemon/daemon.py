# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The daemon: `python -m examples.cli_daemon.daemon DIR`, until Ctrl+C.

It listens on the socket `DIR/socket`, which a second daemon cannot do, and says so in the address
file `DIR/daemon.addr`.
"""

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

from examples.cli_daemon.states import STEPS, DaemonStates  # noqa: E402 - found by the line above


class Jobs:
    """Runs one job at a time. A job is a state: removing it cancels the work."""

    def FooEnter(self, event: am.Event) -> bool:
        """Refuse while a job runs."""
        return event.machine.not_("Foo", "Bar")

    BarEnter = FooEnter

    async def FooState(self, event: am.Event) -> None:
        """Do the first kind of work."""
        await self._work(event, "FooDone")

    async def BarState(self, event: am.Event) -> None:
        """Do the second kind of work."""
        await self._work(event, "BarDone")

    @staticmethod
    async def _work(event: am.Event, done: str) -> None:
        for _ in range(STEPS):
            await trio.sleep(event.args.duration / STEPS)  # the work
            event.machine.add("Progress")
        event.machine.remove("Progress")
        event.machine.add(done)


async def main(folder: str) -> int:
    """Serve until the process is told to end; 1 if another daemon is there already."""
    await trio.Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    async with am.Machine(DaemonStates, id="daemon", handlers=Jobs()) as mach:
        ah.debug_env(mach)
        server = am_rpc.repl(mach, f"unix:{folder}/socket", folder, push_interval=0)
        try:
            await server.ready()
        except am_rpc.NetworkError as error:
            is_taken = await trio.Path(folder, "socket").exists()
            print("a daemon is running already" if is_taken else error, flush=True)
            return 1
        mach.add("Ready")
        try:
            with trio.open_signal_receiver(signal.SIGTERM) as ends:
                print("ready", flush=True)
                await anext(ends)  # Ctrl+C ends it by an exception
        finally:
            print("ended as", mach.string_all(), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(trio.run(main, sys.argv[1]))
    except* KeyboardInterrupt:
        sys.exit(0)
