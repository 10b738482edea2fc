"""gRPC by grpcio, with plain bytes as messages: three unary calls a round."""

from __future__ import annotations

import importlib
import struct
from concurrent import futures
from typing import Any

from examples.benchmark_rpc.value import Service

NUMBER = struct.Struct("!q")
SERVICE = "examples.Value"
THREADS = 4


def library() -> Any:
    """grpcio, which is not installed everywhere, and has no types."""
    return importlib.import_module("grpc")


def loop(addr: str, rounds: int) -> int:
    """Get, call, wait; how many calls left this process."""
    grpc = library()
    with grpc.insecure_channel(addr) as channel:
        get, call, wait, events = (
            channel.unary_unary(f"/{SERVICE}/{name}") for name in ("get", "call", "wait", "events")
        )
        (known,) = NUMBER.unpack(events(b""))
        for number in range(rounds):
            get(b"")
            call(NUMBER.pack(number))
            (known,) = NUMBER.unpack(wait(NUMBER.pack(known)))
    return 3 * rounds


def serve() -> None:
    """Serve until the process is told to end."""
    grpc = library()
    service = Service()

    def get(request: bytes, context: Any) -> bytes:
        return NUMBER.pack(service.get())

    def call(request: bytes, context: Any) -> bytes:
        service.call()
        return b""

    def wait(request: bytes, context: Any) -> bytes:
        return NUMBER.pack(service.wait(*NUMBER.unpack(request)))

    def events(request: bytes, context: Any) -> bytes:
        return NUMBER.pack(service.wait(-1))

    methods = {"get": get, "call": call, "wait": wait, "events": events}
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()
