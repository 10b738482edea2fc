"""What a worker tells its supervisor: states that matter to the pool, and the texts of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_machine as am
import am_rpc

from ._core import log
from ._debugging import inner_tags
from ._errors import WorkerError

if TYPE_CHECKING:
    from ._core import Core
    from ._slot import Slot


class Watch:
    """Final handlers on the replica of a worker's machine."""

    def __init__(self, core: Core, slot: Slot) -> None:
        self._core = core
        self._slot = slot

    def ReadyState(self, e: am.Event) -> None:
        self._core.mach.add("WorkerReady", id=self._slot.id)

    def ReadyEnd(self, e: am.Event) -> None:
        self._core.mach.add("WorkerGone", id=self._slot.id)
        if not self._slot.mach.any_("Stopping", "Draining"):
            self._core.mach.add("KillWorker", id=self._slot.id, reason="not ready")

    def WorkStuckState(self, e: am.Event) -> None:
        self._core.mach.add("KillWorker", id=self._slot.id, reason="stuck")


class NewsOf:
    """Takes the payloads of one worker: the text of an error, which states cannot carry."""

    def __init__(self, core: Core, slot: Slot) -> None:
        self._core = core
        self._slot = slot
        self.mach = am.Machine(
            am_rpc.Consumer,
            id=f"{slot.id}-news",
            parent=core.mach,
            handlers=self,
            tags=inner_tags("node-news"),
        )

    def ServerPayloadState(self, e: am.Event) -> None:
        args: Any = e.args
        data = args.get("data")
        if args.get("name") != "WorkerError" or not isinstance(data, dict):
            log.warning("worker %s sent an unknown payload", self._slot.id)
            return
        text = f"{data.get('type', 'error')}: {data.get('message', '')}"
        error = WorkerError(text[:2000], self._slot.id)
        self._core.mach.add_err("ErrWorker", error, worker_id=self._slot.id)
