"""A client's hold of one worker: the lease, the link, and the requests that wait for answers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

from ._client_states import LaneStates
from ._errors import WorkError
from ._names import wire_id
from ._settings import link_limits, stretch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ._tls import Dialer

    WayTo = Callable[[Mapping[str, Any]], str | Dialer]

# A cut link is made again quickly or not at all: the address of a dead process refuses at once.
_RETRY = am_rpc.Retry(connect_timeout=2.0, connect_tries=5, connect_delay=0.1, connect_total=10.0)
CONNECT_TIMEOUT = 5.0
LEASE_GRACE = 10.0
LINK_TIMEOUT = 9.0
# An idle worker that still owes an answer lost it on the way: it is asked again.
_ASK_AGAIN = 1.0
_BUSY_PAUSE = 0.25


class LaneLost(Exception):
    """The worker of a lane went away with the request."""


class _Pending:
    __slots__ = ("answer", "answered", "scope")

    def __init__(self) -> None:
        self.answered = trio.Event()
        self.answer: Mapping[str, Any] | None = None
        self.scope: trio.CancelScope | None = None


class Lane:
    """One worker of a client. `lost` is set once, when worker, lease or link are gone."""

    def __init__(
        self,
        name: str,
        parent: am.Machine,
        schema: Any,
        depth: int,
        on_payload: Callable[[Mapping[str, Any]], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._name = f"nc-worker-{name}-{secrets.token_hex(4)}"
        self.link_id = wire_id(self._name)
        self.mach = am.Machine(
            LaneStates, id=self._name + "-lane", parent=parent, handlers=self, tags=("node-lane",)
        )
        self._parent = parent
        self._schema = schema
        self._on_payload = on_payload
        self._on_lost = on_lost
        self._pending: dict[bytes, _Pending] = {}
        self._fork: am.Fork | None = None
        self.depth = depth
        self.users = 0
        self.worker_id = ""
        self.lease = ""
        self.why = ""
        self.lost = trio.Event()
        self.net: am_rpc.NetworkMachine | None = None
        self.mach.add("Start")

    @property
    def usable(self) -> bool:
        """Whether a request can be given to it."""
        return self.mach.is_("WorkerReady") and not self.lost.is_set()

    # -- the link

    async def connect(self, contract: Mapping[str, Any], way_to: WayTo) -> bool:
        """Connect to the worker of a `ProvideWorker` payload; False if that failed."""
        try:
            way, token = way_to(contract), contract["token"]
            self.worker_id, self.lease = str(contract["worker_id"]), str(contract["lease"])
            client = am_rpc.Client(
                way,
                self._schema,
                id=self._name,
                secret=token,
                consumer=self.mach,
                parent=self._parent,
                retry=_RETRY,
                limits=link_limits(LINK_TIMEOUT * stretch()),
            )
        except (KeyError, TypeError, ValueError):
            return False
        self._fork = self._parent.fork(self._hold, client)
        with trio.move_on_after(CONNECT_TIMEOUT * stretch()):
            await self.mach.when_any("WorkerReady", "WorkerLost")
        return self.usable

    async def _hold(self, client: am_rpc.Client) -> None:
        try:
            async with client:
                self._pipe(client.mach)
                try:
                    await client.ready(CONNECT_TIMEOUT * stretch())
                    self.net = client.net
                    self.mach.add("WorkerReady")
                    await self._until_broken(client.mach)
                    self.lose("the link to the worker was lost")
                except am_rpc.RpcError as exc:
                    self.lose(f"the worker cannot be reached: {exc}")
        finally:
            self.lose("the lane was closed")

    def _pipe(self, rpc: am.Machine) -> None:
        amh.bind_connected(
            rpc,
            self.mach,
            "WorkerDisconnected",
            "WorkerConnecting",
            "WorkerConnected",
            "WorkerDisconnecting",
        )
        amh.bind_err(rpc, self.mach, "ErrWorker")

    async def _until_broken(self, rpc: am.Machine) -> None:
        grace = LEASE_GRACE * stretch()
        while rpc.is_("Ready"):
            await rpc.when_not("Ready")
            with trio.move_on_after(grace):
                await amh.wait_for_any(
                    rpc.when("Ready"), rpc.when_not("Start"), rpc.when("ConnRetryFailed"),
                    timeout=2 * grace,
                )  # fmt: skip

    def lose(self, why: str) -> None:
        """Declare the worker lost: every request that waits for it moves on."""
        if self.lost.is_set():
            return
        self.why = why
        self.lost.set()
        if not self.mach.disposed:
            self.mach.add("WorkerLost")
        for pending in self._pending.values():
            if pending.scope is not None:
                pending.scope.cancel()
        self._on_lost()

    def close(self) -> None:
        """Say goodbye to the worker, which ends the lease."""
        self.lose("the lane was closed")
        if self._fork is not None:
            self._fork.cancel()
        self.mach.set()
        self.mach.dispose()

    # -- requests

    async def ask(self, req: bytes, args: Mapping[str, Any]) -> Any:
        """Give the request to the worker and return its result.

        Cancelling cancels the work, too.

        :raises LaneLost: if the worker went away before the answer came.
        :raises WorkError: if the work failed.
        :raises TypeError: if the args cannot travel.
        """
        with self._expecting(req) as pending, trio.CancelScope() as scope:
            pending.scope = scope
            if self.lost.is_set():
                scope.cancel()
            try:
                await self._submit(req, args, pending)
                await self._until_answered(req, args, pending)
            except trio.Cancelled:
                if not self.lost.is_set() and self.net is not None:
                    self.net.remove("Working", req=req)
                raise
        if pending.answer is None:
            raise LaneLost(self.why)
        return self._result(pending.answer)

    @contextmanager
    def _expecting(self, req: bytes) -> Iterator[_Pending]:
        pending = self._pending[req] = _Pending()
        try:
            yield pending
        finally:
            del self._pending[req]

    async def _submit(self, req: bytes, args: Mapping[str, Any], pending: _Pending) -> None:
        net = self.net
        assert net is not None
        state = "WorkQueued" if self.depth > 1 else "WorkRequested"
        while not pending.answered.is_set():
            result = net.add(state, req=req, **args)
            if await result is am.EXECUTED:
                return
            if isinstance(result.error, am_rpc.NoAccess):
                raise WorkError("NoAccess", str(result.error), self.worker_id)
            # Busy, or nobody knows: the same id is tried again, which the worker tells apart.
            with trio.move_on_after(_BUSY_PAUSE):
                await net.when_next_active("Idle")

    async def _until_answered(self, req: bytes, args: Mapping[str, Any], pending: _Pending) -> None:
        while True:
            with trio.move_on_after(_ASK_AGAIN):
                await pending.answered.wait()
                return
            if self.net is not None and self.net.is_("Ready", "Idle"):
                await self._submit(req, args, pending)

    def _result(self, answer: Mapping[str, Any]) -> Any:
        error = answer.get("error")
        if error is None:
            return answer.get("data")
        if not isinstance(error, Mapping):
            raise WorkError("error", str(error), self.worker_id)
        raise WorkError(
            str(error.get("type", "error")), str(error.get("message", "")), self.worker_id
        )

    def ServerPayloadState(self, e: am.Event) -> None:
        """Take an answer; each counts once. Payloads with other names are the user's."""
        data = e.args.get("data")
        if e.args.get("name") != "work":
            self._on_payload(dict(e.args))
            return
        req = data.get("req") if isinstance(data, Mapping) else None
        pending = self._pending.get(req) if isinstance(req, bytes) else None
        if pending is not None and pending.answer is None:
            pending.answer = data
            pending.answered.set()

    def ExceptionState(self, e: am.Event) -> None:
        """Errors of the link are judged by whether it comes back."""
        self.mach.remove("ErrWorker", "Exception")
