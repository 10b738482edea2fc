"""What a worker tells its supervisor: states that matter to the pool, and the texts of errors."""

from __future__ import annotations

import logging
from typing import Any, Final, Protocol

import am_machine as am
import am_rpc

from ._debugging import inner_tags
from ._errors import WorkerError

log = logging.getLogger("am_node")

# Payloads of a worker to its supervisor: an error of its own; that it has drained and ends.
WORKER_ERROR: Final = "WorkerError"
WORKER_ENDS: Final = "WorkerEnds"


class Owner(Protocol):
    """Whoever follows workers: states are added to its machine."""

    @property
    def mach(self) -> am.Machine:
        """Its machine, with the states of a supervisor."""


class Followed(Protocol):
    """A worker as its supervisor knows it."""

    @property
    def id(self) -> str:
        """The id of the worker."""

    @property
    def mach(self) -> am.Machine:
        """The machine of its place in the pool."""

    agreed: bool
    """Whether it said that it ends."""


class Watch:
    """Final handlers on the replica of a worker's machine."""

    def __init__(self, owner: Owner, worker: Followed) -> None:
        self._owner = owner
        self._worker = worker

    def ReadyState(self, e: am.Event) -> None:
        self._owner.mach.add("WorkerReady", id=self._worker.id)

    def ReadyEnd(self, e: am.Event) -> None:
        self._owner.mach.add("WorkerGone", id=self._worker.id)
        if not self._worker.mach.any_("Stopping", "Draining"):
            self._owner.mach.add("KillWorker", id=self._worker.id, reason="not ready")

    def WorkStuckState(self, e: am.Event) -> None:
        self._owner.mach.add("KillWorker", id=self._worker.id, reason="stuck")


class NewsOf:
    """Takes the payloads of one worker: the text of an error, which states cannot carry."""

    def __init__(self, owner: Owner, worker: Followed) -> None:
        self._owner = owner
        self._worker = worker
        self.mach = am.Machine(
            am_rpc.Consumer,
            id=f"{worker.id}-news",
            parent=owner.mach,
            handlers=self,
            tags=inner_tags("node-news"),
        )

    def ServerPayloadState(self, e: am.Event) -> None:
        args: Any = e.args
        data = args.get("data")
        if args.get("name") == WORKER_ENDS:
            self._worker.agreed = True
            return
        if args.get("name") != WORKER_ERROR or not isinstance(data, dict):
            log.warning("worker %s sent an unknown payload", self._worker.id)
            return
        text = f"{data.get('type', 'error')}: {data.get('message', '')}"
        error = WorkerError(text[:2000], self._worker.id)
        self._owner.mach.add_err("ErrWorker", error, worker_id=self._worker.id)
