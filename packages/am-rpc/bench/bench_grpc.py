"""The same subscribe-get-process scenario over grpcio: three unary calls per round."""

from __future__ import annotations

import random
import struct
import sys
import threading
import time
from concurrent import futures
from typing import Any

import grpc

PACK = struct.Struct("!q")


class Service:
    """Holds a value and counts events, as the machine of the other benchmark does."""

    def __init__(self) -> None:
        self.value = 1
        self.events = 0
        self.changed = threading.Condition()

    def wait(self, request: bytes, context: Any) -> bytes:
        """Block until there are more events than the client knows."""
        (known,) = PACK.unpack(request)
        with self.changed:
            self.changed.wait_for(lambda: self.events > known)
            return PACK.pack(self.events)

    def get(self, request: bytes, context: Any) -> bytes:
        """Return the value."""
        return PACK.pack(self.value)

    def call(self, request: bytes, context: Any) -> bytes:
        """Set a random value and tell of it."""
        with self.changed:
            self.value = random.randint(1, 3)
            self.events += 1
            self.changed.notify_all()
        return b""


def main(rounds: int) -> None:
    """Print microseconds per round."""
    service = Service()
    server = grpc.server(futures.ThreadPoolExecutor(4))
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(getattr(service, name))
        for name in ("wait", "get", "call")
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bench", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        wait, get, call = (
            channel.unary_unary(f"/bench/{name}") for name in ("wait", "get", "call")
        )
        events = 0
        start = time.perf_counter()
        for _ in range(rounds):
            (value,) = PACK.unpack(get(b""))
            call(PACK.pack(value))
            (events,) = PACK.unpack(wait(PACK.pack(events)))
        took = time.perf_counter() - start
    server.stop(None)
    print(f"grpcio {took / rounds * 1e6:.0f} us per round, 3 calls")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
