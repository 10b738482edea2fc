"""Stands in for Ray: actors are processes of this host, with as many threads as they ask for.

Only what the launcher uses is here, with the same meaning: a method of an actor runs in one of its
`max_concurrency` threads, an actor that is killed fails its open calls with `RayActorError`, and it
ends when its owner's process does.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from multiprocessing.connection import Connection
from socket import socketpair
from typing import Any

from .exceptions import RayActorError

OPTIONS = {
    "max_concurrency", "max_restarts", "name", "num_cpus", "num_gpus", "memory", "resources",
    "runtime_env",
}  # fmt: skip
# What the actors asked for, for tests.
asked: list[dict[str, Any]] = []
_ACTOR = """
import importlib, json, os, sys
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
owner = Connection(int(sys.argv[1]))
actor = getattr(importlib.import_module(sys.argv[2]), sys.argv[3])()
threads = ThreadPoolExecutor(int(sys.argv[4]))
def call(number, method, args):
    owner.send_bytes(json.dumps([number, getattr(actor, method)(*args)]).encode())
while True:
    try:
        threads.submit(call, *json.loads(owner.recv_bytes()))
    except EOFError:
        os._exit(1)
"""


class ObjectRef:
    """The answer to one call, some day."""

    def __init__(self) -> None:
        self.answer: Future[Any] = Future()

    def future(self) -> Future[Any]:
        """The same as a future of the standard library."""
        return self.answer


class ActorHandle:
    """A running actor; its methods are called by ``actor.method.remote(...)``."""

    def __init__(self, cls: type, options: dict[str, Any]) -> None:
        near, far = socketpair()
        command = [sys.executable, "-c", _ACTOR, str(far.fileno()), cls.__module__, cls.__name__]
        self.process = subprocess.Popen(
            [*command, str(options.get("max_concurrency", 1))],
            pass_fds=[far.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        far.close()
        self._connection = Connection(near.detach())
        self._open: dict[int, ObjectRef] = {}
        self._number = 0
        self._lock = threading.Lock()
        threading.Thread(target=self._listen, daemon=True).start()

    def __getattr__(self, method: str) -> _Method:
        return _Method(self, method)

    def send_call(self, method: str, args: tuple[Any, ...]) -> ObjectRef:
        """Have one of its threads run a method."""
        ref = ObjectRef()
        with self._lock:
            self._number += 1
            self._open[self._number] = ref
        try:
            self._connection.send_bytes(json.dumps([self._number, method, args]).encode())
        except OSError:
            self._fail()
        return ref

    def _listen(self) -> None:
        try:
            while True:
                number, value = json.loads(self._connection.recv_bytes())
                with self._lock:
                    ref = self._open.pop(number)
                ref.answer.set_result(value)
        except (EOFError, OSError):
            self.process.wait()
            self._connection.close()
            self._fail()

    def _fail(self) -> None:
        with self._lock:
            lost = [*self._open.values()]
            self._open.clear()
        for ref in lost:
            ref.answer.set_exception(RayActorError("The actor died."))


class _Method:
    def __init__(self, actor: ActorHandle, name: str) -> None:
        self._actor = actor
        self._name = name

    def remote(self, *args: Any) -> ObjectRef:
        return self._actor.send_call(self._name, args)


class ActorClass:
    """What `remote` makes of a class."""

    def __init__(self, cls: type, options: dict[str, Any] | None = None) -> None:
        self._cls = cls
        self._options = options or {}

    def options(self, **options: Any) -> ActorClass:
        """The same class with these options."""
        unknown = options.keys() - OPTIONS
        if unknown:
            raise ValueError(f"Invalid option keyword {unknown} for actors.")
        return ActorClass(self._cls, options)

    def remote(self) -> ActorHandle:
        """Start an actor."""
        asked.append(self._options)
        return ActorHandle(self._cls, self._options)


def remote(cls: Any) -> Any:
    """Make actors of a class. Of functions, which run on other nodes, there are none here."""
    return ActorClass(cls)


def get(ref: ObjectRef) -> Any:
    """Wait for the answer; raises `RayActorError` if the actor died."""
    return ref.answer.result()


def kill(actor: ActorHandle) -> None:
    """Kill an actor; one that is dead already stays so."""
    actor.process.kill()


def init(*, address: str, log_to_driver: bool) -> None:
    """It is reached already."""


def shutdown() -> None:
    """It goes on for the others."""


def is_initialized() -> bool:
    """There is a cluster wherever this is."""
    return True


def available_resources() -> dict[str, float]:
    """What is free in the cluster."""
    return {"CPU": 1.0}


def cluster_resources() -> dict[str, float]:
    """What the cluster has."""
    return {"CPU": 4.0}


class _Context:
    def get_node_id(self) -> str:
        """The only node."""
        return "node"


def get_runtime_context() -> _Context:
    """Where an actor finds out about itself."""
    return _Context()
