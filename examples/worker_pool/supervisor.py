"""The supervisor's process: a pool of workers behind an address; a line for each change."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import asdict

import trio

import am_helpers as amh
import am_node
from examples.worker_pool.lines import tell
from examples.worker_pool.text_stats import TextStats

# Changes of the pool come in bursts; people read ten lines a second at most.
_INTERVAL = 0.1


async def main(workers: int, addr: str, cert: str) -> int:
    """Serve until a signal comes; return the exit code."""
    pool = am_node.Pool(min=workers, max=workers, warm=0)
    tls = am_node.Tls(cert) if cert else None
    supervisor = am_node.Supervisor(TextStats, addr=addr, pool=pool, tls=tls)
    amh.debug_env(supervisor.mach)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_report, supervisor)
        code = await am_node.serve(supervisor)
        nursery.cancel_scope.cancel()
    return code


async def _report(supervisor: am_node.Supervisor) -> None:
    await supervisor.mach.when("PoolReady")
    tell("ready", addr=supervisor.addr, local_addr=supervisor.local_addr)
    with contextlib.suppress(am_node.PoolError):  # it has ended
        while True:
            workers = [asdict(info) for info in await supervisor.workers()]
            tell("pool", workers=workers, restarts=supervisor.restarts)
            await trio.sleep(_INTERVAL)


if __name__ == "__main__":
    workers, addr, cert = sys.argv[1:]
    sys.exit(trio.run(main, int(workers), addr, cert))
