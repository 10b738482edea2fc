"""Workers as pods of Kubernetes, by ``kubectl``.

A pod has no stdin that ends with its supervisor. Its configuration comes by the variable
`AM_NODE_BOOT`, from a secret; it ends when its link to the supervisor is gone for half a minute,
and the cluster removes it, with the secret, when the supervisor's own pod is removed.
"""

from __future__ import annotations

import json
import re
from functools import partial
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

import trio

import am_node

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WORKER = ("python", "-m", "am_node", "worker")
_TAIL = 100  # lines of its log that an ended pod is remembered by
_LOG_ENDS = 5.0  # seconds for what is still on its way
_CLEAN_UP = 30.0
_AGAIN = 1.0


class PodLauncher:
    """Starts each worker as a pod of `image`, which has this package and the worker's class.

    `owner` is the supervisor's own pod, name and uid (the downward API tells both). `kubectl` is
    the command with options, such as ``["kubectl", "--namespace=pools"]``.
    """

    same_host = False
    lifeline = False
    output = True

    def __init__(
        self,
        image: str,
        *,
        owner: tuple[str, str] | None = None,
        command: Sequence[str] = WORKER,
        kubectl: Sequence[str] = ("kubectl",),
    ) -> None:
        self._image = image
        self._owner = owner
        self._command = list(command)
        self._kubectl = Kubectl(kubectl)

    async def run(
        self,
        spec: am_node.WorkerSpec,
        task_status: trio.TaskStatus[am_node.WorkerHandle] = trio.TASK_STATUS_IGNORED,
    ) -> am_node.ExitInfo:
        """Create a pod, follow it to its end, remove it; cancelling removes it at once.

        :raises OSError: if it cannot be created.
        """
        name = pod_name(spec.worker_id)
        manifests = {"apiVersion": "v1", "kind": "List", "items": self.manifests(name, spec)}
        try:
            # By stdin, for the secret is in it.
            await self._kubectl.run("create", "--filename=-", stdin=json.dumps(manifests))
            async with trio.open_nursery() as nursery:
                pod = Pod(self._kubectl, name, nursery)
                task_status.started(pod)
                info = await pod.follow(spec)
                nursery.cancel_scope.cancel()
            return info
        finally:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLEAN_UP):
                await self._kubectl.delete(name)

    def manifests(self, name: str, spec: am_node.WorkerSpec) -> list[dict[str, Any]]:
        """The secret and the pod."""
        metadata: dict[str, Any] = {"name": name, "labels": {"app": "am-node-worker"}}
        if self._owner is not None:
            owner, uid = self._owner
            reference = {"apiVersion": "v1", "kind": "Pod", "name": owner, "uid": uid}
            metadata["ownerReferences"] = [reference]
        container = {
            "name": "worker",
            "image": self._image,
            "command": self._command,
            "envFrom": [{"secretRef": {"name": name}}],
            "resources": {"limits": _limits(spec.resources)},
        }
        boot = am_node.boot_environment(spec.config)
        pod_spec = {"restartPolicy": "Never", "containers": [container]}
        return [
            {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": boot},
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec},
        ]


class Pod:
    """A created pod. It is the handle that the supervisor holds."""

    pid = None

    def __init__(self, kubectl: Kubectl, name: str, nursery: trio.Nursery) -> None:
        self._kubectl = kubectl
        self._name = name
        self._nursery = nursery
        self._ended = trio.Event()
        self._killed = False

    def terminate(self) -> None:
        """Ask the worker to drain; deleting the pod would lose its exit code."""
        if not self._ended.is_set():
            command = ("exec", self._name, "--", "sh", "-c", "kill -TERM 1")
            self._nursery.start_soon(partial(self._kubectl.run, *command, check=False))

    def kill(self) -> None:
        """Delete the pod."""
        if not self._ended.is_set():
            self._killed = True
            self._nursery.start_soon(self._delete)

    async def _delete(self) -> None:
        await self._kubectl.delete(self._name)
        self._ended.set()

    async def follow(self, spec: am_node.WorkerSpec) -> am_node.ExitInfo:
        """Pass on what the worker prints, until it ended."""
        started, read = trio.Event(), trio.Event()
        tail: list[str] = []

        def on_phase(phase: str) -> None:
            if phase in {"Running", "Succeeded", "Failed"}:
                started.set()
            if phase in {"Succeeded", "Failed"}:
                self._ended.set()

        def on_line(line: str) -> None:
            spec.line("stdout", line)  # a cluster does not tell stdout and stderr apart
            tail[:] = [*tail[1 - _TAIL :], line]

        async def watch() -> None:
            phase = '--output=jsonpath={.status.phase}{"\\n"}'
            while True:
                # A cluster ends each watch some day; one for a pod that is gone fails.
                if not await self._kubectl.follow(
                    on_phase, "get", "pod", self._name, "--watch", phase
                ):
                    self._ended.set()
                    return
                await trio.sleep(_AGAIN)

        async def read_log() -> None:
            await started.wait()
            await self._kubectl.follow(on_line, "logs", "--follow", self._name)
            read.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            nursery.start_soon(read_log)
            await self._ended.wait()
            with trio.move_on_after(0 if self._killed else _LOG_ENDS):
                await read.wait()
            nursery.cancel_scope.cancel()
        return await self._exit_info("\n".join(tail))

    async def _exit_info(self, tail: str) -> am_node.ExitInfo:
        if self._killed:
            return am_node.ExitInfo(stderr=tail, reason="the pod was deleted")
        path = "{.status.containerStatuses[0].state.terminated.exitCode}"
        text = await self._kubectl.run(
            "get", "pod", self._name, f"--output=jsonpath={path}", check=False
        )
        if not text.isdigit():
            return am_node.ExitInfo(stderr=tail, reason="the pod is gone")
        # Above 128 it stands for a signal, as with a shell.
        code = int(text)
        if code > 128:
            return am_node.ExitInfo(signal=code - 128, stderr=tail)
        return am_node.ExitInfo(code=code, stderr=tail)


class Kubectl:
    """The command line of the cluster."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = tuple(command)

    async def run(self, *args: str, stdin: str = "", check: bool = True) -> str:
        """Run one command and return what it printed.

        :raises OSError: if it fails, unless `check` is False.
        """
        done = await trio.run_process(
            [*self._command, *args],
            stdin=stdin.encode(),
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
        if done.returncode and check:
            raise OSError(f"kubectl {args[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout.decode(errors="replace").strip()

    async def follow(self, sink: Callable[[str], None], *args: str) -> bool:
        """Call `sink` with each line until the command ends; tell whether it succeeded."""
        start = partial(
            trio.run_process,
            [*self._command, *args],
            stdout=PIPE,
            stderr=DEVNULL,
            check=False,
        )
        async with trio.open_nursery() as nursery:
            process: trio.Process = await nursery.start(start)
            assert process.stdout is not None
            rest = b""
            async for chunk in process.stdout:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    sink(line.decode(errors="replace"))
            if rest:
                sink(rest.decode(errors="replace"))
        return process.returncode == 0

    async def delete(self, name: str) -> None:
        """Delete pod and secret, and wait until they are gone."""
        await self.run("delete", "pod,secret", name, "--now", "--ignore-not-found", check=False)


def pod_name(worker_id: str) -> str:
    """The worker's id as the cluster allows it."""
    return re.sub(r"[^a-z0-9-]", "-", worker_id.lower())[-63:].strip("-")


def _limits(resources: am_node.Resources) -> dict[str, str]:
    wanted = {
        "cpu": resources.cpus,
        "memory": resources.memory,
        "nvidia.com/gpu": resources.gpus,
    }
    return {name: str(value) for name, value in wanted.items() if value is not None}
