"""`run`: a pool for one iteration over many inputs."""

from __future__ import annotations

import contextvars
from collections.abc import Sized
from typing import TYPE_CHECKING, Any, Self

import trio

from .._client.client import ATTEMPTS, TIMEOUT
from .own_pool import checked_workers, open_pool
from .portal import bare

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType

    from .._client.map import Inputs, Pair, Results
    from .._launchers.base import Launcher
    from .._worker.worker import Worker


def run(
    worker: type[Worker],
    inputs: Inputs,
    *,
    workers: int | None = None,
    ordered: bool = False,
    return_errors: bool = False,
    timeout: float | None = TIMEOUT,
    attempts: int = ATTEMPTS,
    retry_on: Collection[str] = (),
    launcher: Launcher | None = None,
) -> Run:
    """Do the work for each of `inputs` on `workers` processes, which live as long as that takes.

    Iterate over the result with ``async for args, result in ...``, under trio. `workers` is the
    number of processors by default, and never more than there are inputs where that is known. The
    other options are those of `Client.map`; `launcher` starts the workers somewhere else.

    Iterating starts the processes. They end with the iteration, or when it is left: by an error or
    a cancellation, or by a ``break``, after which the object is forgotten; ``async with run(...) as
    results`` waits for their end. Where trio ends before, they end with it.

    :raises ValueError: for a class that other processes cannot import, or less than one worker.
    """
    most = checked_workers(workers)
    if isinstance(inputs, Sized):
        most = min(most, max(1, len(inputs)))
    options = {
        "workers": most,
        "ordered": ordered,
        "return_errors": return_errors,
        "timeout": timeout,
        "attempts": attempts,
        "retry_on": retry_on,
    }
    return Run(_Job(worker, inputs, launcher, options))


class Run:
    """What `run` returns: an async iterator of pairs ``(args, result)``.

    Iterating raises `PoolError` if no worker comes up, and what `Client.map` raises.
    """

    def __init__(self, job: _Job) -> None:
        self._job = job
        self._token: trio.lowlevel.TrioToken | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Pair:
        if self._token is None:
            self._token = self._job.start()
        return await self._job.next()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the work and wait until all processes have ended. Harmless after the end."""
        if self._token is not None:
            await self._job.aclose()
        await trio.lowlevel.checkpoint()

    def __del__(self) -> None:
        # Whoever drops it half way wants no more; this may be any thread, at any time.
        if self._token is not None and not self._job.ended.is_set():
            try:
                self._token.run_sync_soon(self._job.scope.cancel)
            except trio.RunFinishedError:
                return


class _Job:
    """The pool and its work, in a task of the event loop's, which holds no `Run`.

    A task of the loop's, since no nursery may stay open in an iterator that can be dropped.
    """

    def __init__(
        self,
        worker: type[Worker],
        inputs: Inputs,
        launcher: Launcher | None,
        options: dict[str, Any],
    ) -> None:
        self._worker = worker
        self._inputs = inputs
        self._launcher = launcher
        self._options = options
        self._results: Results | None = None
        self._error: BaseException | None = None
        # Results come, or never will; nobody wants any more.
        self._opened, self._left = trio.Event(), trio.Event()
        self.scope = trio.CancelScope()
        self.ended = trio.Event()

    def start(self) -> trio.lowlevel.TrioToken:
        """Begin.

        :raises RuntimeError: outside of trio.
        """
        if not trio.lowlevel.in_trio_task():
            raise RuntimeError(
                "am_node.run needs trio: use `with am_node.blocking(...)` in plain code, and "
                "`async with am_node.on_asyncio(...)` in asyncio"
            )
        trio.lowlevel.spawn_system_task(
            self._live, name="am_node.run", context=contextvars.copy_context()
        )
        return trio.lowlevel.current_trio_token()

    async def _live(self) -> None:
        try:
            with self.scope:
                async with open_pool(
                    self._worker, workers=self._options["workers"], launcher=self._launcher
                ) as client:
                    self._results = client.map(self._inputs, **self._options)
                    self._opened.set()
                    await self._left.wait()
        except Exception as exc:
            # A task of the loop's must not fail: it is raised where the results are.
            self._error = bare(exc)
        finally:
            self._opened.set()
            self.ended.set()

    async def next(self) -> Pair:
        """Return the next pair; the processes have ended when there is none.

        :raises StopAsyncIteration: after the last one.
        """
        await self._opened.wait()
        if self._results is not None:
            try:
                return await anext(self._results)
            except StopAsyncIteration:
                pass
            except Exception as exc:
                self._error = self._error or exc
        self._left.set()
        await self.ended.wait()
        # An error of the pool is why the results have one.
        error, self._error = self._error, None
        raise StopAsyncIteration if error is None else error

    async def aclose(self) -> None:
        """Cancel what runs, and wait until the processes have ended."""
        if self._results is not None:
            await self._results.aclose()
        self.scope.cancel()
        await self.ended.wait()
