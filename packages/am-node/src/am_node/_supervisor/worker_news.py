"""What a supervisor hears from a worker: states that matter to the pool, and texts of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am
import am_rpc

from .._debugging import inner_tags
from .._errors import WorkerError
from .._wire_work import WORKER_ENDS, WORKER_ERROR
from .shared import log

if TYPE_CHECKING:
    from .shared import Shared
    from .slot import Slot


class Watch:
    """Final handlers on the replica of a worker's machine."""

    def __init__(self, shared: Shared, slot: Slot) -> None:
        self._shared = shared
        self._slot = slot

    def ReadyState(self, e: am.Event) -> None:
        self._shared.mach.add("WorkerReady", id=self._slot.id)

    def ReadyEnd(self, e: am.Event) -> None:
        self._shared.mach.add("WorkerGone", id=self._slot.id)
        if not self._slot.mach.any_("Stopping", "Draining"):
            self._shared.mach.add("KillWorker", id=self._slot.id, reason="not ready")

    def WorkStuckState(self, e: am.Event) -> None:
        self._shared.mach.add("KillWorker", id=self._slot.id, reason="stuck")


class NewsOf:
    """Takes the payloads of one worker: the text of an error, which states cannot carry."""

    def __init__(self, shared: Shared, slot: Slot) -> None:
        self._shared = shared
        self._slot = slot
        self.mach = am.Machine(
            am_rpc.Consumer,
            id=f"{slot.id}-news",
            parent=shared.mach,
            handlers=self,
            tags=inner_tags("node-news"),
        )

    def ServerPayloadState(self, e: am.Event) -> None:
        args: Any = e.args
        data = args.get("data")
        if args.get("name") == WORKER_ENDS:
            self._slot.agreed = True
            return
        if args.get("name") != WORKER_ERROR or not isinstance(data, dict):
            log.warning("worker %s sent an unknown payload", self._slot.id)
            return
        text = f"{data.get('type', 'error')}: {data.get('message', '')}"
        error = WorkerError(text[:2000], self._slot.id)
        self._shared.mach.add_err("ErrWorker", error, worker_id=self._slot.id)
