"""What others may ask of the supervisor itself: how it is, and that it drains."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import am_helpers as amh
import am_rpc

from .._escape import printable
from .._status import PoolStatus
from .._wire_work import STATUS

if TYPE_CHECKING:
    import am_machine as am

    from .shared import Shared

_MAX_REQ = 2**53
_MAX_ERROR = 1000
# Events that are there because of the question.
_PASSING = frozenset({"ProvideStatus", "ClientSendPayload"})


class Asked:
    """The handlers of `ProvideStatus`, and the one that keeps it draining."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._mach = shared.mach

    def ProvideStatusEnter(self, e: am.Event) -> bool:
        """Refuse what names nobody to answer to."""
        req = e.args.get("req")
        return am_rpc.caller() is not None and type(req) is int and 0 <= req < _MAX_REQ

    def ProvideStatusState(self, e: am.Event) -> None:
        """Answer whoever asked, and nobody else."""
        self._mach.remove("ProvideStatus")
        caller = am_rpc.caller()
        if caller is not None:
            data = {"req": e.args["req"], "status": amh.args_dump(self._status())}
            self._shared.payload(STATUS, data, caller.client_id)

    def DrainingExit(self, e: am.Event) -> bool:
        """Nobody takes it back; it ends with `Start`."""
        return am_rpc.caller() is None or "Start" not in e.transition.target

    def _status(self) -> PoolStatus:
        shared, pool = self._shared, self._shared.pool
        error = self._mach.err
        return PoolStatus(
            id=self._mach.id,
            kind=shared.kind,
            addr="" if shared.public is None else shared.public.addr,
            pid=os.getpid(),
            states=tuple(name for name in self._mach.active if name not in _PASSING),
            min=pool.min,
            max=pool.max,
            warm=pool.warm,
            forks=shared.forks,
            restarts=shared.restarts,
            error="" if error is None else printable(str(error))[:_MAX_ERROR],
            workers=tuple(slot.info() for slot in shared),
        )
