"""A machine in this process, and a replica of one in another: subscribe, look, mutate."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import trio

import am_helpers as amh
import am_rpc
from examples.benchmark_rpc.value import VALUES, ValueStates, machine

if TYPE_CHECKING:
    import am_machine as am


async def loop(mach: am.MachineApi, rounds: int) -> int:
    """Subscribe, get, process; how many calls left this process."""
    for number in range(rounds):
        told = mach.when_next_active("Event")  # of a replica, too, this is local
        value = mach.switch(*VALUES)
        if value is None:
            raise RuntimeError("there has to be a value")
        await mach.add("CallOp", op=number)
        await told
    return 0 if mach.is_local else rounds


def direct(rounds: int) -> int:
    """In one process."""
    return trio.run(loop, machine(), rounds)


def arpc(addr: str, rounds: int) -> int:
    """In two."""

    async def run() -> int:
        async with am_rpc.connect(addr, ValueStates, timeout=10) as net:
            return await loop(net, rounds)

    return trio.run(run)


async def serve() -> None:
    """Serve a machine until the process is told to end."""
    async with machine() as mach, am_rpc.Mux(mach, "127.0.0.1:0", push_interval=0) as mux:
        amh.debug_env(mach)
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as ends:
            print(mux.addr, flush=True)
            await anext(ends)
