# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""The whole story: a server process, a client here, a restart of the server in the middle."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import trio

import am_helpers as ah
import am_machine as am
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.arpc.states import SquareStates  # noqa: E402 - found by the line above


class Answers:
    """Prints what the server sends."""

    def ServerPayloadState(self, event: am.Event) -> None:
        """Take one answer."""
        number, square = event.args["data"]
        print(f"payload: {number} squared is {square}")


def start_server(addr: str) -> subprocess.Popen[str]:
    """Start the other process and wait until it listens."""
    command = [sys.executable, "-m", "examples.arpc.server", addr]
    server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    if not server.stdout.readline():
        stop_server(server)
        raise RuntimeError("the server did not start")
    return server


def stop_server(server: subprocess.Popen[str]) -> None:
    """End the other process and wait for it."""
    server.terminate()
    server.wait()
    assert server.stdout is not None
    server.stdout.close()


async def story(addr: str) -> None:
    """Use the server, lose it, use the next one."""
    consumer = am.Machine(am_rpc.Consumer, id="consumer", handlers=Answers())
    ah.debug_env(consumer)
    retry = am_rpc.Retry(connect_delay=0.05)
    server = await trio.to_thread.run_sync(start_server, addr)
    try:
        async with am_rpc.Client(addr, SquareStates, consumer=consumer, retry=retry) as client:
            net = await client.ready(10)
            ah.debug_env(net)
            print("connected:", net)

            answered = consumer.when_next_active("ServerPayload")
            counted = net.when_next_active("Counted")
            print("a number:", await net.add("Square", n=12))
            await answered
            await counted
            print("a word:", await net.add("Square", n="twelve"))

            lost, replaced = client.mach.when_not("Connected"), client.mach.when("SourceReplaced")
            stop_server(server)
            await lost
            print("the server is gone, the replica still knows:", net)
            waiting = net.add("Square", n=5)
            print("buffered:", client.mach.is_("Buffering"))

            answered = consumer.when_next_active("ServerPayload")
            server = await trio.to_thread.run_sync(start_server, addr)
            await replaced
            print("the new server has executed it:", await waiting)
            await answered
            await net.sync()
            print("clock of the new server:", net)
    finally:
        stop_server(server)


def main() -> None:
    """Run the story on a unix socket of its own."""
    with tempfile.TemporaryDirectory() as folder:
        trio.run(story, f"unix:{folder}/squares")


if __name__ == "__main__":
    main()
