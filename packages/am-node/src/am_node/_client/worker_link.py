"""A client's hold of one worker: the lease and the link, with a queue of requests."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Protocol

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

from .._debugging import inner_tags
from .._escape import printable
from .._names import wire_id
from .._timing import link_limits, stretch
from .._wire_work import ANSWER
from .dispatcher import Dispatcher
from .states import LaneStates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .._tls import Dialer
    from .request import Request

    WayTo = Callable[[Mapping[str, Any]], str | Dialer]

# A cut link is made again quickly or not at all: the address of a dead process refuses at once.
_RETRY = am_rpc.Retry(connect_timeout=2.0, connect_tries=5, connect_delay=0.1, connect_total=10.0)
# What a busy worker changes with each request, and its client need not follow.
_UNFOLLOWED = (
    "ClientSendPayload", "SuperSendPayload", "SendPayload", "WorkRequested", "Working", "WorkReady",
    "WorkQueued",
)  # fmt: skip
CONNECT_TIMEOUT = 5.0
LINK_TIMEOUT = 9.0
# A supervisor may not make its clients wait for ever.
LONGEST_SILENCE = 24 * 3600.0
LEASE_GRACE = 10.0


class Owner(Protocol):
    """Who hears of what happens on a link."""

    def link_moved(self, link: WorkerLink) -> None:
        """There may be room on the link."""

    def link_lost(self, link: WorkerLink) -> None:
        """The worker is gone."""

    def try_again(self, request: Request) -> None:
        """A request is to be tried anew."""

    def forward(self, args: Mapping[str, Any]) -> None:
        """A payload that is the user's."""


class WorkerLink:
    """One worker of a client. It is lost once, when worker, lease or link are gone."""

    def __init__(
        self, name: str, parent: am.Machine, schema: Any, depth: int, owner: Owner
    ) -> None:
        self._name = f"nc-worker-{name}-{secrets.token_hex(4)}"
        self.link_id = wire_id(self._name)
        self.mach = am.Machine(
            LaneStates,
            id=self._name + "-lane",
            parent=parent,
            handlers=self,
            tags=inner_tags("node-lane"),
        )
        self._parent = parent
        self._schema = schema
        self._owner = owner
        self._fork: am.Fork | None = None
        self._dispatcher: Dispatcher | None = None
        self._is_lost = False
        self.depth = depth
        self.worker_id = ""
        self.lease = ""
        self.stats = am_rpc.Stats()
        self.why = self.words = ""
        # The lease was over, and nothing begun.
        self.is_planned = False
        self.mach.add("Start")

    @property
    def usable(self) -> bool:
        """Whether a request can be given to it."""
        dispatcher = self._dispatcher
        return dispatcher is not None and not self._is_lost and not dispatcher.is_ending

    @property
    def load(self) -> int:
        """How many requests it has."""
        return 0 if self._dispatcher is None else len(self._dispatcher)

    @property
    def is_reserved(self) -> bool:
        """Whether it has a request that must have no other beside it."""
        return self._dispatcher is not None and self._dispatcher.is_reserved

    # -- the link

    async def connect(self, contract: Mapping[str, Any], way_to: WayTo) -> bool:
        """Connect to the worker of a `ProvideWorker` payload; False if that failed.

        `way_to` says how, which depends on the supervisor that sent it.
        """
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
                sync=am_rpc.Sync(skipped=_UNFOLLOWED, queue=False),
                retry=_RETRY,
                limits=link_limits(_silence(contract)),
            )
        except (KeyError, TypeError, ValueError):
            return False
        self.stats = client.stats
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
                    self._dispatcher = Dispatcher(
                        client.net,
                        self.worker_id,
                        self.depth,
                        self._parent.fork,
                        self._give_back,
                    )
                    self.mach.add("WorkerReady")
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(self._leave_if_told, client.net)
                        await self._until_broken(client.mach)
                        nursery.cancel_scope.cancel()
                    self.lose("the link to the worker was lost")
                except am_rpc.RpcError as exc:
                    self.lose(f"the worker cannot be reached: {exc}")
        finally:
            self.lose("the link was closed")

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

    async def _leave_if_told(self, net: am_rpc.NetworkMachine) -> None:
        """A worker that drains waits for its client to go."""
        if "Draining" in net.schema and self._dispatcher is not None:
            await net.when("Draining")
            self._dispatcher.give_back()
            self._leave_if_done()

    def _give_back(self, request: Request) -> None:
        self._owner.try_again(request)
        self._leave_if_done()

    def _leave_if_done(self) -> None:
        dispatcher = self._dispatcher
        if dispatcher is not None and dispatcher.is_draining and not len(dispatcher):
            self.lose("the worker is ending", planned=True)

    def lose(self, why: str, words: str = "", *, planned: bool = False) -> None:
        """Declare the worker lost; its requests are the owner's to move.

        `words` are the last that it wrote on stderr. It is `planned` if the worker had ended all
        that it began.
        """
        if self._is_lost:
            return
        self.is_planned = planned
        self.why = printable(" ".join(why.split()))
        self.words = words
        self._is_lost = True
        if not self.mach.disposed:
            self.mach.add("WorkerLost")
        self._owner.link_lost(self)

    def close(self) -> None:
        """Say goodbye to the worker, which ends the lease."""
        self.lose("the link was closed")
        if self._fork is not None:
            self._fork.cancel()
        self.mach.set()
        self.mach.dispose()

    # -- requests

    def give(self, request: Request) -> None:
        """Hold a request for the worker; `flush` sends it."""
        assert self._dispatcher is not None
        request.link = self
        self._dispatcher.give(request)

    def flush(self) -> None:
        """Send what was given."""
        if self._dispatcher is not None:
            self._dispatcher.flush()

    def cancel(self, request: Request) -> None:
        """Nobody wants the answer any more."""
        if self._dispatcher is not None:
            self._dispatcher.cancel(request)

    def empty(self) -> list[Request]:
        """Take back the requests of a lost worker, oldest first."""
        return [] if self._dispatcher is None else self._dispatcher.empty()

    def ServerPayloadState(self, e: am.Event) -> None:
        """Take answers. Payloads with other names are the user's."""
        args = e.args
        if args.get("name") != ANSWER:
            self._owner.forward(dict(args))
        elif self._dispatcher is not None:
            self._dispatcher.answered(args.get("data"))
            self._owner.link_moved(self)
            self._leave_if_done()

    def ExceptionState(self, e: am.Event) -> None:
        """Errors of the link are judged by whether it comes back."""
        self.mach.remove("ErrWorker", "Exception")


def _silence(contract: Mapping[str, Any]) -> float:
    """Seconds for which the worker of a contract may be silent: longer for one that blocks.

    :raises TypeError, ValueError: if that is no number.
    """
    stated = float(contract.get("silence", 0.0))
    if not stated >= 0.0:
        raise ValueError(f"a silence of {stated} s")
    return max(min(stated, LONGEST_SILENCE), LINK_TIMEOUT * stretch())
