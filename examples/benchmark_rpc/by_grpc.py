"""gRPC by grpcio, with plain bytes as messages: three unary calls a round."""

from __future__ import annotations

import struct
from concurrent import futures
from typing import Any

from examples.benchmark_rpc.value import Service

NUMBER = struct.Struct("!q")
SERVICE = "examples.Value"
THREADS = 4


def loop(addr: str, rounds: int) -> int:
    """Get, call, wait; how many calls left this process."""
    import grpc  # is not installed everywhere

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
    import grpc

    service = Service()

    def call(request: bytes, context: Any) -> bytes:
        service.call()
        return b""

    methods = {
        "get": lambda request, context: NUMBER.pack(service.get()),
        "call": call,
        "wait": lambda request, context: NUMBER.pack(service.wait(*NUMBER.unpack(request))),
        "events": lambda request, context: NUMBER.pack(service.wait(-1)),
    }
    handlers = {
        name: grpc.unary_unary_rpc_method_handler(method) for name, method in methods.items()
    }
    server = grpc.server(futures.ThreadPoolExecutor(THREADS))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(f"127.0.0.1:{port}", flush=True)
    server.wait_for_termination()
