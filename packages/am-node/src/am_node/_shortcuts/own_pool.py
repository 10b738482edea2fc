"""A client with a pool of its own, which comes and goes with it."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import trio

from .._client.client import Client
from .._errors import PoolError
from .._escape import printable
from .._settings import Pool, Timing
from .._worker.worker import checked_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    import am_machine as am
    import am_rpc

    from .._client.discovery import Discovery
    from .._launchers.base import Launcher
    from .._worker.worker import Worker


# Nobody replaces a class whose import takes long, so it gets the time; a death is noticed at once.
_TIMING = Timing(conn_timeout=60.0)


@asynccontextmanager
async def open_pool(
    worker: type[Worker],
    *,
    workers: int | None = None,
    launcher: Launcher | None = None,
    supers: Iterable[str] | Discovery | None = None,
    secret: am_rpc.ClientSecrets | None = None,
    ssl_context: Any = None,
) -> AsyncIterator[Client]:
    """Open a client together with a pool of `workers` processes of its own.

    `workers` is the number of processors by default. The body runs once the first worker is ready;
    leaving ends all of them. With `supers` the client belongs to those supervisors instead, and
    nothing is started; `secret` and `ssl_context` are theirs.

    :raises PoolError: if a worker fails before one was ready, with what it died of.
    :raises TypeError: for what is no class of workers.
    :raises ValueError: for a class that other processes cannot import, or less than one worker.
    """
    checked_worker(worker)
    async with AsyncExitStack() as stack:
        if supers is None:
            supers = [await stack.enter_async_context(_supervised(worker, workers, launcher))]
        elif workers is not None or launcher is not None:
            raise ValueError("the supervisors of `supers` decide on workers and launcher")
        client = Client(
            f"own-{os.getpid()}", worker, supers=supers, secret=secret, ssl_context=ssl_context
        )
        yield await stack.enter_async_context(client)


def checked_workers(workers: int | None) -> int:
    """How many workers a pool of one's own has: as many as processors, if nobody says.

    :raises ValueError: for less than one.
    """
    if workers is None:
        return max(1, _processors())
    if workers < 1:
        raise ValueError(f"workers={workers}: at least one is needed")
    return workers


def _processors() -> int:
    try:  # those that this process may use
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


@asynccontextmanager
async def _supervised(
    worker: type[Worker], workers: int | None, launcher: Launcher | None
) -> AsyncIterator[str]:
    """Run a supervisor that nobody else finds; gives its address once a worker is ready."""
    most = checked_workers(workers)
    pool = Pool(min=1, max=most, warm=most)
    # Here, as a client of supervisors that run already has no use for it.
    from .._supervisor.runtime_dir import runtime_directory
    from .._supervisor.supervisor import Supervisor

    with runtime_directory() as directory:
        addr = f"unix:{directory.path / 'p'}"
        supervisor = Supervisor(worker, addr=addr, pool=pool, launcher=launcher, timing=_TIMING)
        failed = _FirstFailure()
        supervisor.mach.bind(failed)
        async with supervisor:
            await _first_worker(supervisor.mach, failed)
            yield addr


class _FirstFailure:
    """Notes what the first worker that failed died of."""

    def __init__(self) -> None:
        self.seen = trio.Event()
        self.reason = ""

    def ErrWorkerState(self, e: am.Event) -> None:
        self._note(e)

    def ErrPoolState(self, e: am.Event) -> None:
        self._note(e)

    def _note(self, e: am.Event) -> None:
        if not self.seen.is_set():
            self.reason = printable(str(e.machine.err))
            self.seen.set()


async def _first_worker(mach: am.Machine, failed: _FirstFailure) -> None:
    async with trio.open_nursery() as nursery:

        async def over(wait: Any) -> None:
            await wait
            nursery.cancel_scope.cancel()

        nursery.start_soon(over, mach.when("PoolReady"))
        nursery.start_soon(over, mach.when_not("Start"))
        nursery.start_soon(over, failed.seen.wait())
    if not mach.is_("PoolReady"):
        raise PoolError(failed.reason or "the supervisor ended before a worker was ready")
