"""The processes of `scaling.py`: a supervisor, workers that share one process, a crowd of clients.

For each byte on stdin, supervisor and crowd answer with one line of JSON; at the end of stdin they
end. Workers have a process of their own, all together, so that hundreds of them fit on one host:
what they cost is not measured, but what they cost their supervisor.
"""

from __future__ import annotations

import gc
import itertools
import json
import os
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgpack
import trio

import am_node
import am_rpc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENTRY = "pool_work:Sleeper"
PAUSE = 0.1
WORKERS_PER_CLIENT = 5
_LENGTH = struct.Struct(">I")
_STARTS = 4  # tasks, not processes
_PATIENCE = 60.0  # all of them share one processor, with whatever else runs


async def answer(what: Callable[[], dict[str, Any]]) -> None:
    """Say that all is ready, then answer until stdin ends."""
    print(json.dumps(what()), flush=True)
    async with trio.lowlevel.FdStream(os.dup(0)) as asked:
        while await asked.receive_some(1):
            print(json.dumps(what()), flush=True)


# -- the supervisor and its workers


class Herd:
    """A launcher that has one other process run all workers."""

    same_host = True
    lifeline = False
    output = False

    def __init__(self, orders: trio.abc.SendStream) -> None:
        self._orders = orders
        self._lock = trio.Lock()

    async def run(
        self,
        spec: am_node.WorkerSpec,
        task_status: trio.TaskStatus[am_node.WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> am_node.ExitInfo:
        """Have one started. They end with their process."""
        order = msgpack.packb([spec.worker_id, spec.config])
        async with self._lock:
            await self._orders.send_all(_LENGTH.pack(len(order)) + order)
        handle = _Handle()
        task_status.started(handle)
        await handle.over.wait()
        return am_node.ExitInfo(code=0)


class _Handle:
    pid = None

    def __init__(self) -> None:
        self.over = trio.Event()

    def terminate(self) -> None:
        self.over.set()

    kill = terminate


async def herd() -> None:
    """Run workers as they are ordered on stdin."""
    launcher = am_node.MemoryLauncher()
    async with trio.open_nursery() as nursery:
        async for name, config in _orders():
            nursery.start_soon(launcher.run, am_node.WorkerSpec(name, config))
        nursery.cancel_scope.cancel()


async def _orders() -> Any:
    data = bytearray()
    async with trio.lowlevel.FdStream(os.dup(0)) as stream:
        async for chunk in stream:
            data += chunk
            while len(data) >= _LENGTH.size:
                (size,) = _LENGTH.unpack_from(data)
                if len(data) < _LENGTH.size + size:
                    break
                yield msgpack.unpackb(bytes(data[_LENGTH.size : _LENGTH.size + size]))
                del data[: _LENGTH.size + size]


async def supervise(addr: str, workers: int) -> None:
    """Be a supervisor of so many workers, and tell what went over its links."""
    pool = am_node.Pool(min=workers, max=max(workers, 1), warm=0)
    command = [sys.executable, __file__, "herd"]
    async with trio.open_nursery() as nursery:
        start = partial(trio.run_process, command, stdin=subprocess.PIPE, check=False)
        process = await nursery.start(start)
        async with am_node.Supervisor(
            ENTRY,
            addr=addr,
            pool=pool,
            policy=am_node.Policy(parallel_starts=_STARTS),
            timing=am_node.Timing(conn_timeout=_PATIENCE),
            launcher=Herd(process.stdin),
        ) as supervisor:
            await supervisor.mach.when("PoolReady")
            await answer(_carried)
        nursery.cancel_scope.cancel()


def _carried() -> dict[str, Any]:
    """Bytes over all links there are, both ways."""
    gc.collect()
    links = [found for found in gc.get_objects() if isinstance(found, am_rpc.Stats)]
    return {"bytes": sum(link.bytes_in + link.bytes_out for link in links)}


# -- clients


class Crowd:
    """Clients in one process, which count what was done for them."""

    def __init__(self, addr: str) -> None:
        self._addr = addr
        self._done = 0

    def told(self) -> dict[str, Any]:
        """How much was done so far."""
        return {"done": self._done}

    async def run(self, kind: str, clients: int) -> None:
        """Have so many clients do one thing for ever."""
        async with trio.open_nursery() as nursery:
            for number in range(clients):
                await nursery.start(getattr(self, kind), f"c{number}")
            await answer(self.told)
            nursery.cancel_scope.cancel()

    def _client(self, name: str, workers: int) -> am_node.Client:
        return am_node.Client(name, kind="Sleeper", supers=[self._addr], workers=workers)

    async def rest(
        self, name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Hold the link to the supervisor, and want nothing."""
        async with self._client(name, 0) as client:
            await client.mach.when("SuperReady")
            task_status.started()
            await trio.sleep_forever()

    async def work(
        self, name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Keep workers busy with short tasks."""
        async with self._client(name, WORKERS_PER_CLIENT) as client:
            results = client.map(_pauses(PAUSE), workers=WORKERS_PER_CLIENT)
            async for _ in results:
                if len(client.workers) == WORKERS_PER_CLIENT:
                    task_status.started()
                    break
            async for _ in results:
                self._done += 1

    async def lease(
        self, name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Take a worker for one task that takes no time, and give it back."""
        async with self._client(name, 0) as client:
            task_status.started()
            while True:
                async for _ in client.map([{"pause": 0.0}]):
                    self._done += 1
                # The map gives its worker back some turns later; another one would keep it.
                while client.workers:
                    await trio.lowlevel.checkpoint()

    async def come(
        self, name: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Connect, have one task done, and go."""
        task_status.started()
        for visit in itertools.count():
            async with self._client(f"{name}-{visit}", 1) as client:
                await client.work(pause=0.0)
                self._done += 1


def _pauses(seconds: float) -> Iterator[dict[str, float]]:
    return itertools.repeat({"pause": seconds})


def main(part: str, *args: str) -> None:
    """Be one part."""
    sys.path.insert(0, str(Path(__file__).parent))
    if part == "herd":
        trio.run(herd)
    elif part == "supervisor":
        addr, workers = args
        trio.run(supervise, addr, int(workers))
    else:
        addr, clients = args
        trio.run(Crowd(addr).run, part, int(clients))


if __name__ == "__main__":
    main(*sys.argv[1:])
