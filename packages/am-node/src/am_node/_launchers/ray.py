"""Starting workers as actors of Ray: each is a process that Ray places.

Killing an actor is a request to Ray, and is answered before the process has ended. So the process
is watched as well, on its own node if that is another one.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import ray  # type: ignore[import-not-found,unused-ignore]
import trio
from ray.exceptions import (  # type: ignore[import-not-found,unused-ignore]
    RayActorError,
    RayError,
)
from ray.util.scheduling_strategies import (  # type: ignore[import-not-found,unused-ignore]
    NodeAffinitySchedulingStrategy,
)

from .._boot import boot_environment
from .base import ExitInfo
from .names import job_name
from .output import Tail
from .ray_actor import Place, end, end_and_wait, host_id, is_gone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from trio import TaskStatus

    from .base import Resources, WorkerHandle, WorkerSpec

# What an actor does at the same time: work, hand out lines, drain, and say where it is.
_CALLS = 4
_GOES = 10.0
_LOOK = 0.02
_LOOK_AT_QUEUE = 5.0
_LAST_WORDS = 2.0
_MOST_TOLD = 500


class RayLauncher:
    """Starts each worker as an actor of Ray.

    Args:
        address: of the cluster, as for ``ray.init``, which is called unless it was already. By
            default the one that this host belongs to; ``"local"`` starts one for this process.
        cpus: processors of a worker for which the supervisor's `resources` say nothing.
        resources: custom resources of Ray, such as ``{"fast_disk": 1}``.
        runtime_env: what the actor's process gets, such as ``{"env_vars": {...}}``.
        options: more of an actor's, such as a ``scheduling_strategy``.
        start_timeout: seconds from the start of the process until the worker reports. How long an
            actor waits for resources is Ray's affair.

    Actors are named ``<supervisor>.<worker>``. The boot configuration, secrets in it, is an
    argument of a call: who may read Ray's traffic may read it, so protect that. An actor ends with
    its owner, the supervisor's process.
    """

    same_host = False
    lifeline = False
    output = True

    def __init__(
        self,
        *,
        address: str | None = None,
        cpus: float = 1,
        resources: Mapping[str, float] | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        start_timeout: float = 60.0,
    ) -> None:
        if not start_timeout > 0:
            raise ValueError(f"start_timeout must be a number of seconds, not {start_timeout!r}")
        self.start_timeout = start_timeout
        self._address = address
        self._cpus = cpus
        self._options = dict(options or {})
        if resources is not None:
            self._options["resources"] = dict(resources)
        if runtime_env is not None:
            self._options["runtime_env"] = dict(runtime_env)
        self._connecting = trio.Lock()

    async def run(
        self,
        spec: WorkerSpec,
        task_status: TaskStatus[WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> ExitInfo:
        """Create an actor, pass on what it prints, return when it ended; cancelling kills it.

        :raises OSError: if there is no cluster to be reached.
        """
        await self._connect()
        needs = self._needs(spec.resources)
        options = {"max_concurrency": _CALLS, "max_restarts": 0, "name": job_name(spec), **needs}
        actor = ray.remote(Place).options(**options, **self._options).remote()
        handle = RayHandle(actor)
        tail = Tail()
        task_status.started(handle)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_tell_pending, handle, needs)
                info = await _live(handle, spec, tail)
                nursery.cancel_scope.cancel()
            return info
        finally:
            _kill(actor)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _GOES):
                await _gone(handle)

    async def _connect(self) -> None:
        async with self._connecting:
            if ray.is_initialized():
                return
            try:
                await trio.to_thread.run_sync(self._init)
            except Exception as exc:  # a node that does not come up in time is a bare one
                ray.shutdown()
                raise OSError(f"Ray cannot be reached: {exc}") from exc

    def _init(self) -> None:
        ray.init(address=self._address or "auto", log_to_driver=False)

    def _needs(self, resources: Resources) -> dict[str, float]:
        wanted = {
            "num_cpus": self._cpus if resources.cpus is None else resources.cpus,
            "num_gpus": resources.gpus,
            "memory": resources.memory,
        }
        return {name: value for name, value in wanted.items() if value is not None}


class RayHandle:
    """An actor, as the supervisor holds it. It is a `QueuedHandle`."""

    pid = None

    def __init__(self, actor: Any) -> None:
        self.actor = actor
        self.pending = "queued"
        # The pid, since when it is this one's, and the host, once it runs.
        self.where: tuple[int, str, str] | None = None
        self.node = ""
        self.is_killed = False
        self._placed = trio.Event()

    async def placed(self) -> None:
        """Wait until Ray has started the process."""
        await self._placed.wait()

    def is_at(self, pid: int, since: str, host: str, node: str) -> None:
        """Note where the process runs."""
        self.where, self.node, self.pending = (pid, since, host), node, ""
        self._placed.set()

    def terminate(self) -> None:
        """Ask the worker to drain."""
        if self.where is None:
            self.kill()
        else:
            self.actor.drain.remote()

    def kill(self) -> None:
        """Kill the actor's process."""
        self.is_killed = True
        _kill(self.actor)


async def _live(handle: RayHandle, spec: WorkerSpec, tail: Tail) -> ExitInfo:
    """Follow the actor to its end."""
    actor = handle.actor
    told_all = trio.Event()

    async def fetch() -> None:
        with contextlib.suppress(RayError):
            is_over = False
            while not is_over:
                lines, is_over = await _result(actor.lines.remote())
                for stream, line in lines:
                    if stream == "stderr":
                        tail.add(line)
                    spec.line(stream, line)
        told_all.set()

    try:
        handle.is_at(*await _result(actor.where.remote()))
        done = actor.work.remote(boot_environment(spec.config))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fetch)
            await _settled(done)
            actor.finish.remote()
            with trio.move_on_after(_LAST_WORDS):
                await told_all.wait()
            nursery.cancel_scope.cancel()
        return ExitInfo(code=ray.get(done), stderr=str(tail))
    except RayError as exc:
        return _lost(handle, exc, tail)


def _lost(handle: RayHandle, exc: BaseException, tail: Tail) -> ExitInfo:
    if handle.is_killed:
        return ExitInfo(stderr=str(tail), reason="the actor was killed")
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    # The first line says that it died, the last ones of what.
    told = lines[-1] if isinstance(exc, RayActorError) and lines else str(exc)
    waited = f"; it waited for: {handle.pending}" if handle.pending else ""
    return ExitInfo(stderr=str(tail), reason=f"{told[:_MOST_TOLD]}{waited}")


async def _result(ref: Any) -> Any:
    """Wait for the answer to a call.

    :raises RayError: if the actor cannot be started, or died.
    """
    await _settled(ref)
    return ray.get(ref)


async def _settled(ref: Any) -> None:
    settled = trio.Event()
    soon = trio.lowlevel.current_trio_token().run_sync_soon

    def tell(future: object) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            soon(settled.set)

    ref.future().add_done_callback(tell)
    await settled.wait()


def _kill(actor: Any) -> None:
    with contextlib.suppress(RayError, ValueError):  # it has ended, and was forgotten
        ray.kill(actor)


async def _gone(handle: RayHandle) -> None:
    """End the process where it runs, whatever Ray makes of it, and wait until it is gone."""
    if handle.where is None:
        return
    pid, since, host = handle.where
    if host == host_id():
        end(pid, since)
        while not is_gone(pid, since):  # noqa: ASYNC110 - nobody announces it
            await trio.sleep(_LOOK)
        return
    there = NodeAffinitySchedulingStrategy(handle.node, soft=False)
    task = ray.remote(end_and_wait).options(num_cpus=0, scheduling_strategy=there)
    with contextlib.suppress(RayError):  # the node is gone, and the process with it
        await _result(task.remote(pid, since, _GOES))


async def _tell_pending(handle: RayHandle, needs: Mapping[str, float]) -> None:
    """Keep what it waits for true, until it runs."""
    wanted = {"CPU": needs.get("num_cpus"), "GPU": needs.get("num_gpus")}
    wanted["memory"] = needs.get("memory")
    while handle.where is None:
        await trio.sleep(_LOOK_AT_QUEUE / 2)
        with contextlib.suppress(RayError):
            free = await trio.to_thread.run_sync(ray.available_resources)
            whole = await trio.to_thread.run_sync(ray.cluster_resources)
            if handle.where is None:
                handle.pending = _reason(wanted, free, whole)
        await trio.sleep(_LOOK_AT_QUEUE / 2)


def _reason(
    wanted: Mapping[str, float | None], free: Mapping[str, float], whole: Mapping[str, float]
) -> str:
    """Which resource is short. What is free is on all nodes together."""
    for name, amount in wanted.items():
        if amount and amount > whole.get(name, 0):
            return f"{amount:g} {name}, of which the cluster has {whole.get(name, 0):g}"
        if amount and amount > free.get(name, 0):
            return f"{amount:g} {name}, of which {free.get(name, 0):g} is free"
    return "a node with all it needs"
