# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "am-rpc"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# am-rpc = { path = "../../packages/am-rpc", editable = true }
# ///
"""A node of the tree: `python -m examples.tree_state_source.replica UPSTREAM [--http]`.

It follows the node above and serves its replica to those below; with `--http` also to readers who
know nothing of machines. Prints its address, or the port for HTTP.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import trio

import am_helpers as ah
import am_rpc

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":  # run as a script: the examples are a package of this folder
    sys.path.insert(0, str(ROOT))

from examples.tree_state_source.readers import serve_http  # noqa: E402 - found by the line above

PUSH_INTERVAL = 0.05


async def serve(upstream: str, *, http: bool) -> None:
    """Be a replica until the process is told to end."""
    with trio.open_signal_receiver(signal.SIGTERM) as ends:
        async with am_rpc.Client(upstream) as client:
            net = await client.ready()
            ah.debug_env(net)
            if http:
                async with serve_http(net, client.stats) as port:
                    print(port, flush=True)
                    await anext(ends)  # Ctrl+C ends it by an exception
            else:
                async with am_rpc.Mux(net, "127.0.0.1:0", push_interval=PUSH_INTERVAL) as mux:
                    print(mux.addr, flush=True)
                    await anext(ends)  # Ctrl+C ends it by an exception


if __name__ == "__main__":
    try:
        trio.run(lambda: serve(sys.argv[1], http="--http" in sys.argv))
    except* KeyboardInterrupt:
        sys.exit(0)
