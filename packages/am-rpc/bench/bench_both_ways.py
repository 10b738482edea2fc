"""Much in both directions at once beside the slower one alone, each end in its own process."""

from __future__ import annotations

import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import trio
import trustme

import am_machine as am
import am_rpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

KIB = 1024
MIB = 1024 * KIB
ROUNDS = 7
MOST = 50_000  # calls in flight
LARGE = 100  # of 60 KiB each
SMALL = MOST - LARGE - 1  # and one that asks for the other direction
KINDS = ("tcp", "unix", "tls", "ws")
PATIENT = {"heartbeat": 100.0, "dead": 300.0, "write_stall": 100.0, "payload_timeout": 600.0}


class DoorStates(am_rpc.StateSource):
    """A door that sends a parcel to whoever asks."""

    Knock = am.State(multi=True)
    Ask = am.State(multi=True)


class Mail:
    """Takes the parcels."""

    def __init__(self) -> None:
        self.got = 0

    def ServerPayloadState(self, event: am.Event) -> None:
        """Count it."""
        self.got += 1


async def serve(addr: str, certificate: str) -> None:
    """Be the other end, until its stdin ends."""
    context = None
    if certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
    limits = am_rpc.Limits(outcomes=MOST, **PATIENT)
    async with (
        am.Machine(DoorStates, id="door") as door,
        am_rpc.Mux(door, addr, limits=limits, ssl_context=context) as mux,
    ):

        async def AskState(event: am.Event) -> None:
            await mux.send_payload("parcel", bytes(7 * MIB))

        door.bind({"AskState": AskState})
        print(mux.addr, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def seconds(*works: Callable[[], Awaitable[object]]) -> float:
    """How long it takes to do all of these at once."""
    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for work in works:
            nursery.start_soon(work)
    return time.perf_counter() - began


async def measure(addr: str, context: ssl.SSLContext | None) -> tuple[float, float, float]:
    """Medians of: up alone, down alone, both over the slower one, in seconds and as a ratio."""
    mail = Mail()
    limits = am_rpc.Limits(calls=MOST, calls_bytes=64 * MIB, **PATIENT)
    async with (
        am.Machine(am_rpc.Consumer, handlers=mail) as consumer,
        am_rpc.connect(
            addr,
            DoorStates,
            consumer=consumer,
            limits=limits,
            retry=am_rpc.Retry(call_timeout=100, call_total=600),
            ssl_context=context,
        ) as net,
    ):

        async def up() -> None:
            results = [net.add("Knock", who=bytes(60 * KIB)) for _ in range(LARGE)]
            results += [net.add("Knock") for _ in range(SMALL)]
            assert {await result for result in results} == {am.EXECUTED}

        async def down() -> None:
            wanted = mail.got + 1
            heard = consumer.when_next_active("ServerPayload")
            assert await net.add("Ask") is am.EXECUTED
            if mail.got < wanted:
                await heard

        rows = []
        for _ in range(ROUNDS):
            alone = await seconds(up), await seconds(down)
            rows.append((*alone, await seconds(up, down) / max(alone)))
        ups, downs, ratios = zip(*rows, strict=True)
        return median(ups), median(downs), median(ratios)


def main() -> None:
    """Print a line for each transport, or be the other end."""
    if sys.argv[1:2] == ["serve"]:
        trio.run(serve, *sys.argv[2:])
        return
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        pem = Path(folder, "server.pem")
        authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
            str(pem)
        )
        trusting = ssl.create_default_context()
        authority.configure_trust(trusting)
        places: dict[str, tuple[str, str, Any]] = {
            "tcp": ("127.0.0.1:0", "", None),
            "unix": (f"unix:{folder}/sock", "", None),
            "tls": ("127.0.0.1:0", str(pem), trusting),
            "ws": ("ws://127.0.0.1:0/rpc", "", None),
        }
        for kind in KINDS:
            addr, certificate, context = places[kind]
            with subprocess.Popen(
                [sys.executable, __file__, "serve", addr, certificate],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as other:
                assert other.stdout is not None
                told = other.stdout.readline().strip()
                up, down, ratio = trio.run(measure, told, context)
                other.communicate("")
            print(
                f"both ways, {kind}: up {up * 1e3:.0f} ms, down {down * 1e3:.0f} ms, "
                f"at once {ratio:.2f} x the slower (goal 1.5)"
            )


if __name__ == "__main__":
    main()
