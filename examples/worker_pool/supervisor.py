"""The supervisor's process: a pool of workers behind an address; a line for each change."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from dataclasses import asdict
from importlib import import_module

import trio

import am_helpers as amh
import am_node
from examples.worker_pool.lines import tell
from examples.worker_pool.text_stats import TextStats

# Changes of the pool come in bursts; people read ten lines a second at most.
_INTERVAL = 0.1
# Whoever names no cluster of Ray gets one on this host, which ends with this process.
_OWN_RAY = {"address": "local", "cpus": 0.25}


async def main(workers: int, addr: str, cert: str, launcher: am_node.Launcher | None) -> int:
    """Serve until a signal comes; return the exit code."""
    pool = am_node.Pool(min=workers, max=workers, warm=0)
    tls = am_node.Tls(cert) if cert else None
    supervisor = am_node.Supervisor(TextStats, addr=addr, pool=pool, tls=tls, launcher=launcher)
    amh.debug_env(supervisor.mach)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_when_ready, supervisor)
        nursery.start_soon(_tell_of_workers, supervisor)
        nursery.start_soon(_kill_when_told, supervisor)
        code = await am_node.serve(supervisor)
        nursery.cancel_scope.cancel()
    return code


async def _tell_when_ready(supervisor: am_node.Supervisor) -> None:
    await supervisor.mach.when("PoolReady")
    tell("ready", addr=supervisor.addr, local_addr=supervisor.local_addr)


async def _tell_of_workers(supervisor: am_node.Supervisor) -> None:
    while True:
        # Not started yet, or too busy to answer: the next look may tell more.
        with contextlib.suppress(am_node.PoolError):
            workers = [asdict(info) for info in await supervisor.workers()]
            tell("pool", workers=workers, restarts=supervisor.restarts)
        await trio.sleep(_INTERVAL)


async def _kill_when_told(supervisor: am_node.Supervisor) -> None:
    """At SIGUSR1 have a worker ended that has a client, wherever it runs."""
    with trio.open_signal_receiver(signal.SIGUSR1) as arrivals:
        async for _ in arrivals:
            held = await supervisor.workers(lambda info: "Leased" in info.states)
            if held:
                victim = max(held, key=lambda info: info.tasks)
                supervisor.mach.add("KillWorker", id=victim.id, reason="the demo wants it")


def launcher_of(name: str, settings: str) -> am_node.Launcher:
    """The launcher in the public module of this name, with settings in JSON."""
    module = import_module(f"am_node.{name}")
    make = getattr(module, module.__all__[0])
    given = json.loads(settings)
    if name == "ray" and "RAY_ADDRESS" not in os.environ:
        given = {**_OWN_RAY, **given}
    launcher: am_node.Launcher = make(**given)
    return launcher


if __name__ == "__main__":
    workers, addr, cert, *engine = sys.argv[1:]
    launcher = launcher_of(*engine) if engine else None
    sys.exit(trio.run(main, int(workers), addr, cert, launcher))
