"""HTTP for those who know nothing of machines: the standard library's server beside a machine.

`GET /` is the board as JSON; `GET /?until=N` waits until the sum of the clock is N.
`GET /metrics` is what Prometheus reads.
"""

from __future__ import annotations

import json
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import trio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import am_machine as am
    import am_rpc

PATIENCE = 10.0  # seconds that a reader may wait


def metrics(net: am.MachineApi, stats: am_rpc.Stats) -> str:
    """What Prometheus reads: each state's clock and activity, and what was counted."""
    lines = ["# TYPE am_state_active gauge", "# TYPE am_state_ticks counter"]
    for state, tick in net.clock().items():
        lines.append(f'am_state_active{{state="{state}"}} {tick % 2}')
        lines.append(f'am_state_ticks{{state="{state}"}} {tick}')
    lines += [f"am_rpc_{name} {value}" for name, value in stats.as_dict().items()]
    return "\n".join(lines) + "\n"


def show(net: am.MachineApi) -> str:
    """The board as JSON. A machine may be read from any thread."""
    return json.dumps({"active": net.active, "time": sum(net.time())})


@asynccontextmanager
async def serve_http(net: am.MachineApi, stats: am_rpc.Stats) -> AsyncGenerator[int, None]:
    """Serve in threads of their own while in the block; yields the port."""
    token = trio.lowlevel.current_trio_token()

    async def reached(total: int) -> None:
        with trio.move_on_after(PATIENCE):
            await net.when_query(lambda clock: sum(clock.values()) >= total)

    class Reader(BaseHTTPRequestHandler):
        """One request."""

        def do_GET(self) -> None:
            """Answer it."""
            url = urlsplit(self.path)
            wanted = parse_qs(url.query).get("until", [""])[0]
            if wanted.isascii() and wanted.isdigit():
                # Waiting is for trio; this thread just sits there.
                trio.from_thread.run(reached, int(wanted[:18]), trio_token=token)
            kind, text = ("text/plain", metrics(net, stats)) if url.path == "/metrics" else (
                "application/json", show(net)
            )  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Reader) as server:
        thread = threading.Thread(target=server.serve_forever, name="http")
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()
