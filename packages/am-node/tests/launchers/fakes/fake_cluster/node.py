"""The node's agent: each pod is a process, which prints into a log and ends as it is told to."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .store import Store, Thing

_LOOK = 0.02
_MISSING = "nowhere/"  # images that begin so are not there


def now() -> str:
    """This moment, as clusters write it, with nine digits of a second."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"


class Log:
    """What a container printed, line by line, each with its moment before it."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.is_over = False


class Node:
    """Starts pods, at most `room` at a time."""

    def __init__(self, store: Store) -> None:
        self.room = 100
        self.logs: dict[str, Log] = {}
        # One that is cut off hears of nothing, and nobody hears of it.
        self.is_cut_off = False
        self._store = store
        self._is_closing = False
        self._running: set[str] = set()
        self._threads: list[threading.Thread] = []

    def take(self, pod: Thing) -> None:
        """A new pod."""
        pod["status"] = {"phase": "Pending", "conditions": []}
        thread = threading.Thread(target=self._live, args=(pod,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def close(self) -> None:
        """Kill everything."""
        self._is_closing = True
        for thread in self._threads:
            thread.join(10)

    def evict(self, pod: Thing, reason: str, message: str) -> None:
        """End a pod as a node does that runs out of something."""
        pod["status"].update(reason=reason, message=message)
        pod["evicted"] = True

    # -- the life of a pod, in a thread

    def _live(self, pod: Thing) -> None:
        name = pod["metadata"]["name"]
        try:
            if self._is_scheduled(pod) and self._has_image(pod):
                self._running.add(name)
                self._run(pod)
        finally:
            self._running.discard(name)
        while not self._is_unwanted(pod):
            time.sleep(_LOOK)
        self._store.remove("pods", pod)

    def _is_unwanted(self, pod: Thing) -> bool:
        return self._is_closing or "deletionTimestamp" in pod["metadata"]

    def _is_scheduled(self, pod: Thing) -> bool:
        condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
        condition["message"] = "0/1 nodes are available: 1 Insufficient cpu."
        while len(self._running) >= self.room:
            if self._is_unwanted(pod):
                return False
            if condition not in pod["status"]["conditions"]:
                self._tell(pod, conditions=[condition])
                self._warn(pod, "FailedScheduling", condition["message"])
            time.sleep(_LOOK)
        return True

    def _has_image(self, pod: Thing) -> bool:
        image = pod["spec"]["containers"][0]["image"]
        scheduled = {"type": "PodScheduled", "status": "True"}
        if not image.startswith(_MISSING):
            self._tell(pod, conditions=[scheduled], **_container("waiting", _COMING))
            return not self._is_unwanted(pod)
        message = f'failed to pull image "{image}": not found'
        faulty = _container("waiting", {"reason": "ErrImagePull", "message": message})
        self._tell(pod, conditions=[scheduled], **faulty)
        self._warn(pod, "Failed", message)
        return False

    def _run(self, pod: Thing) -> None:
        container = pod["spec"]["containers"][0]
        log = self.logs[pod["metadata"]["name"]] = Log()
        process = subprocess.Popen(
            container["command"],
            env={**os.environ, **self._environment(container)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        reader = threading.Thread(target=_read, args=(process, log, self._store), daemon=True)
        reader.start()
        self._tell(pod, phase="Running", **_container("running", {"startedAt": now()}))
        self._see_it_end(pod, process)
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()
        while self.is_cut_off and not self._is_closing:
            time.sleep(_LOOK)
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": now()}
        self._tell(pod, phase="Failed" if code else "Succeeded", **_container("terminated", ended))

    def _see_it_end(self, pod: Thing, process: subprocess.Popen[bytes]) -> None:
        is_asked = False
        while process.poll() is None:
            metadata = pod["metadata"]
            late = time.monotonic() > pod.get("killAt", float("inf")) and not self.is_cut_off
            if self._is_closing or late or pod.get("evicted"):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            elif "deletionTimestamp" in metadata and not is_asked and not self.is_cut_off:
                is_asked = True
                process.terminate()
            time.sleep(_LOOK)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # what the worker left behind

    def _environment(self, container: Thing) -> dict[str, str]:
        found = {}
        for variable in container.get("env", ()):
            if "value" in variable:
                found[variable["name"]] = variable["value"]
                continue
            wanted = variable["valueFrom"]["secretKeyRef"]
            secret = self._store.get("secrets", wanted["name"])
            assert secret is not None, "the pod was created before its secret"
            found[variable["name"]] = secret["stringData"][wanted["key"]]
        return found

    def _tell(self, pod: Thing, **status: object) -> None:
        with self._store.changed:
            pod["status"].update(status)
            self._store.touch("pods", pod)

    def _warn(self, pod: Thing, reason: str, message: str) -> None:
        about = {"kind": "Pod", "name": pod["metadata"]["name"]}
        number = len(self._store.all("events"))
        event = {"type": "Warning", "reason": reason, "message": message, "involvedObject": about}
        event["lastTimestamp"] = now()
        event["metadata"] = {"name": f"{about['name']}.{number}"}
        self._store.add("events", event)


_COMING = {"reason": "ContainerCreating"}


def _container(state: str, told: dict[str, object]) -> Thing:
    return {"containerStatuses": [{"name": "worker", "state": {state: told}}]}


def _read(process: subprocess.Popen[bytes], log: Log, store: Store) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        with store.changed:
            log.lines.append(f"{now()} ".encode() + line)
            store.changed.notify_all()
    log.is_over = True
    with store.changed:
        store.changed.notify_all()
