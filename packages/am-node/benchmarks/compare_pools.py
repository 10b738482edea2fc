"""`map` on an engine beside what the engine offers itself: Ray's `ActorPool`, an `srun` per task.

Run by ``nox -s compare_pools``, which brings the engines and a network of their own. All pools of
an engine are open at once and take turns; of the rates the best counts. `--write` renews
docs/compared.md.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import ray
import trio
from ray.util import ActorPool

import am_node

sys.path.insert(0, str(Path(__file__).parent))
# The engines are started as the tests of launchers start them.
sys.path.insert(1, str(Path(__file__).parents[3] / "integration-tests"))

import page
import pool_work
from engines.ray_head import RayHead
from engines.services import Services
from engines.slurm_cluster import PARTITION, SlurmCluster

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engines.engine import Engine

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "compared.md"
WORKERS = 4
ROUNDS = 5
PAUSE = 0.01
NOOPS, PAUSES = 2000, 400
"""Tasks of one round; of what takes a tenth of a second each, `FEW`."""
FEW = 24
FAR = ("env", f"PYTHONPATH={HERE}", sys.executable, "-m", "am_node", "worker")


@dataclass
class Row:
    """What was measured of one pool."""

    name: str
    ready: float = 0.0
    noops: list[float] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def cells(self) -> Iterator[str]:
        """Return the cells of the table."""
        yield self.name
        yield f"{self.ready:.1f} s" if self.ready else "nothing to start"
        yield f"{max(self.noops):,.0f}"
        yield f"{max(self.pauses):,.0f}"


class Pool(Protocol):
    """Something that has tasks done."""

    row: Row
    few: bool

    async def open(self, stack: AsyncExitStack) -> None:
        """Start it, until all of its workers can take a task."""

    async def noops(self, tasks: int) -> None:
        """Have so many tasks done that do nothing."""

    async def pauses(self, tasks: int) -> None:
        """Have so many tasks of `PAUSE` seconds done."""


class Ours:
    """A pool of ours, whose workers an engine places."""

    few = False

    def __init__(self, engine: Engine, name: str, cls: type[am_node.Worker]) -> None:
        self.row = Row(f"am-node on {engine.name.capitalize()}, {name}")
        self._engine, self._cls = engine, cls
        self._client: Any = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Start it."""
        began = time.monotonic()
        supervisor = am_node.Supervisor(
            self._cls,
            pool=am_node.Pool(WORKERS, WORKERS, 0),
            launcher=self._engine.launcher(FAR),
        )
        await stack.enter_async_context(supervisor)
        await supervisor.mach.when("PoolReady")
        self.row.ready = time.monotonic() - began
        client = am_node.Client("bench", self._cls, supers=[supervisor.addr], workers=WORKERS)
        self._client = await stack.enter_async_context(client)

    async def noops(self, tasks: int) -> None:
        """Ask for so many."""
        await self._map(0.0, tasks)

    async def pauses(self, tasks: int) -> None:
        """Ask for so many."""
        await self._map(PAUSE, tasks)

    async def _map(self, pause: float, tasks: int) -> None:
        inputs = itertools.repeat({"pause": pause}, tasks)
        done = [result async for _, result in self._client.map(inputs, workers=WORKERS)]
        assert done == [pause] * tasks


class Actor:
    """What an actor of Ray's own pool does."""

    def noop(self, x: int) -> int:
        """Return `x`."""
        return x

    def pause(self, seconds: float) -> None:
        """Take so long."""
        time.sleep(seconds)  # the task itself


class Actors:
    """`ray.util.ActorPool`, one task in flight per actor, which is what it offers."""

    few = False

    def __init__(self) -> None:
        self.row = Row("`ray.util.ActorPool`, `map_unordered`")
        self._pool: Any = None

    async def open(self, stack: AsyncExitStack) -> None:
        """Create the actors and wait until each has answered."""
        began = time.monotonic()
        cls = ray.remote(Actor).options(num_cpus=0.5)
        actors = [cls.remote() for _ in range(WORKERS)]
        firsts = [actor.noop.remote(n) for n, actor in enumerate(actors)]
        await trio.to_thread.run_sync(ray.get, firsts)
        self.row.ready = time.monotonic() - began
        self._pool = ActorPool(actors)
        for actor in actors:
            stack.callback(ray.kill, actor)

    async def noops(self, tasks: int) -> None:
        """Ask for so many."""
        await trio.to_thread.run_sync(self._map, lambda a, x: a.noop.remote(x), range(tasks))

    async def pauses(self, tasks: int) -> None:
        """Ask for so many."""
        await trio.to_thread.run_sync(self._map, lambda a, s: a.pause.remote(s), [PAUSE] * tasks)

    def _map(self, call: Any, inputs: Any) -> None:
        assert len(list(self._pool.map_unordered(call, inputs))) == len(inputs)


class Sruns:
    """One `srun` per task, as many at once as there are workers elsewhere."""

    few = True

    def __init__(self, name: str, noop: tuple[str, ...], pause: tuple[str, ...]) -> None:
        self.row = Row(f"`srun` per task, {name}")
        self._noop, self._pause = noop, pause

    async def open(self, stack: AsyncExitStack) -> None:
        """Nothing stays open."""
        await trio.lowlevel.checkpoint()

    async def noops(self, tasks: int) -> None:
        """Ask for so many."""
        await trio.to_thread.run_sync(self._map, self._noop, tasks)

    async def pauses(self, tasks: int) -> None:
        """Ask for so many."""
        await trio.to_thread.run_sync(self._map, self._pause, tasks)

    def _map(self, command: tuple[str, ...], tasks: int) -> None:
        step = ["srun", "--quiet", "--ntasks=1", "--mem=200M", f"--partition={PARTITION}"]

        def one(number: int) -> None:
            done = subprocess.run([*step, *command, str(number)], capture_output=True, check=True)
            assert done.stdout.split() == [str(number).encode()]

        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(one, range(tasks)))


def slurm_pools(engine: Engine) -> list[Pool]:
    """What is compared on Slurm."""
    shell, python = ("sh", "-c"), (sys.executable, "-c")
    text = f"import sys, time; time.sleep({PAUSE}); print(sys.argv[1])"
    return [
        Sruns("a program in C", ("echo",), (*shell, f'sleep {PAUSE}; echo "$0"')),
        Sruns("a Python", (*python, "import sys; print(sys.argv[1])"), (*python, text)),
        *_ours(engine),
    ]


def ray_pools(engine: Engine) -> list[Pool]:
    """What is compared on Ray."""
    return [Actors(), *_ours(engine)]


def _ours(engine: Engine) -> list[Pool]:
    return [
        Ours(engine, "one task in flight per worker", pool_work.Sleeper),
        Ours(engine, "a queue of 64", pool_work.PipelinedSleeper),
    ]


async def measure(pools: list[Pool], rounds: int) -> None:
    """Open all, and let them take turns."""
    async with AsyncExitStack() as stack:
        for pool in pools:
            await pool.open(stack)
            await pool.noops(2 * WORKERS)
        for _ in range(rounds):
            for pool in pools:
                await _time(pool.row.noops, pool.noops, FEW if pool.few else NOOPS)
                await _time(pool.row.pauses, pool.pauses, FEW if pool.few else PAUSES)


async def _time(rates: list[float], ask: Any, tasks: int) -> None:
    began = time.monotonic()
    await ask(tasks)
    rates.append(tasks / (time.monotonic() - began))


@contextmanager
def running(make: Any) -> Iterator[Engine]:
    """A started engine; nothing of it stays."""
    with tempfile.TemporaryDirectory(prefix="am-engine-", ignore_cleanup_errors=True) as folder:
        services = Services(Path(folder))
        engine = make(services)
        try:
            engine.start()
            yield engine
        finally:
            engine.stop()
            services.close()


def engine_version(engine: Engine) -> str:
    """The engine and its version; Slurm tells its own only while it runs."""
    if engine.name == "ray":
        return f"Ray {ray.__version__}"
    done = subprocess.run(["sinfo", "--version"], capture_output=True, text=True, check=True)
    return f"Slurm {done.stdout.split()[-1]}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--write", action="store_true", help="renew docs/compared.md")
    options = parser.parse_args()
    load, found, versions = os.getloadavg()[0], [], []
    for make, pools_of in ((SlurmCluster, slurm_pools), (RayHead, ray_pools)):
        with running(make) as engine:
            pools = pools_of(engine)
            trio.run(measure, pools, options.rounds)
            versions.append(engine_version(engine))
        found += [pool.row for pool in pools]
        for pool in pools:
            print("| " + " | ".join(pool.row.cells()) + " |", flush=True)
    head = ("pool of four", "ready after", "no-ops/s", f"tasks of {1000 * PAUSE:g} ms/s")
    text = (
        f"{page.table(head, map(Row.cells, found))}\n\n{page.machine(load)}, {', '.join(versions)}."
    )
    print(f"\n{text}")
    if options.write:
        page.renew(PAGE, "engines", text)


if __name__ == "__main__":
    main()
