"""HTTP and JSON by the standard library, on a connection that is kept: three calls a round."""

from __future__ import annotations

import json
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from examples.benchmark_rpc.value import Service


def loop(addr: str, rounds: int) -> int:
    """Get, call, wait; how many calls left this process."""
    connection = HTTPConnection(addr, timeout=10)

    def ask(method: str, path: str) -> Any:
        connection.request(method, path)
        return json.loads(connection.getresponse().read())

    events = ask("GET", "/events")
    for number in range(rounds):
        ask("GET", "/value")
        ask("POST", f"/call?op={number}")
        events = ask("GET", f"/wait?known={events}")
    connection.close()
    return 3 * rounds


def serve() -> None:
    """Serve until the process is told to end."""
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        """One connection."""

        protocol_version = "HTTP/1.1"  # which keeps it
        disable_nagle_algorithm = True
        wbufsize = -1  # head and body in one packet

        def answer(self) -> None:
            """Do what the path asks for."""
            path, _, query = self.path.partition("?")
            if path == "/events":
                found = service.wait(-1)
            elif path == "/value":
                found = service.get()
            elif path == "/wait":
                found = service.wait(int(query.removeprefix("known=")))
            else:
                service.call()
                found = 0
            body = json.dumps(found).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        print(f"127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()
