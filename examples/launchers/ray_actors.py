"""Workers as actors of Ray: each actor is a process that Ray places, and calls `run_worker`.

An actor ends with its owner, the supervisor's process. What workers print goes to Ray's own logs.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

import ray  # type: ignore[import-not-found,unused-ignore]
import trio
from ray.exceptions import RayActorError  # type: ignore[import-not-found,unused-ignore]

import am_node

_DIES = 10.0


class Place:
    """The actor. `work` and `drain` run at the same time, in two threads of its process."""

    def work(self, environment: dict[str, str]) -> int:
        """Be a worker; returns its exit code."""
        os.environ.update(environment)
        try:
            am_node.run_worker(leave=sys.exit)
        except SystemExit as end:
            return int(end.code or 0)

    def drain(self) -> None:
        """Have the worker finish its work and end."""
        am_node.drain_worker()


class RayLauncher:
    """Starts each worker as an actor; `options` are more of Ray's, such as ``runtime_env``."""

    same_host = False
    lifeline = False
    output = False

    def __init__(self, **options: Any) -> None:
        self._options = options

    async def run(
        self,
        spec: am_node.WorkerSpec,
        task_status: trio.TaskStatus[am_node.WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> am_node.ExitInfo:
        """Create an actor and wait for its end; cancelling kills it."""
        actor = (
            ray.remote(Place)
            .options(max_concurrency=2, max_restarts=0, **_needs(spec.resources), **self._options)
            .remote()
        )
        done = actor.work.remote(am_node.boot_environment(spec.config))
        task_status.started(Handle(actor))
        try:
            return await _exit_info(done)
        finally:
            ray.kill(actor)
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _DIES):
                await _exit_info(done)


async def _exit_info(done: ray.ObjectRef) -> am_node.ExitInfo:
    """Wait for what `work` returned, or for the death of its actor."""
    settled = trio.Event()
    soon = trio.lowlevel.current_trio_token().run_sync_soon

    def tell(future: object) -> None:
        with contextlib.suppress(trio.RunFinishedError):
            soon(settled.set)

    done.future().add_done_callback(tell)
    await settled.wait()
    try:
        return am_node.ExitInfo(code=ray.get(done))
    except RayActorError as exc:
        return am_node.ExitInfo(reason=f"the actor died: {exc}")


class Handle:
    """A started actor, as the supervisor holds it."""

    pid = None

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def terminate(self) -> None:
        """Ask the worker to drain."""
        self._actor.drain.remote()

    def kill(self) -> None:
        """Kill the actor's process."""
        ray.kill(self._actor)


def _needs(resources: am_node.Resources) -> dict[str, float]:
    wanted = {
        "num_cpus": resources.cpus,
        "num_gpus": resources.gpus,
        "memory": resources.memory,
    }
    return {name: value for name, value in wanted.items() if value is not None}
