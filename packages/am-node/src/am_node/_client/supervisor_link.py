"""A client's link to one supervisor at a time, out of many."""

from __future__ import annotations

import logging
import secrets
from typing import TYPE_CHECKING, Any

import trio

import am_helpers as amh
import am_rpc

from .._address import check_address, host_of, reachable
from .._escape import printable
from .._names import wire_id
from .._timing import link_limits, stretch
from .._tls import tls_dialer
from .candidates import Candidates
from .near import is_near, near_dialer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import am_machine as am

    from .._tls import Dialer
    from .discovery import Discovery

_log = logging.getLogger("am_node")
# Three tries within five seconds, then it is another supervisor's turn.
_RETRY = am_rpc.Retry(connect_timeout=2.0, connect_tries=3, connect_delay=0.2, connect_total=5.0)
READY_TIMEOUT = 5.0
LINK_TIMEOUT = 9.0
_AGAIN = 0.2
_LONGEST_PAUSE = 30.0
_MOST_REFUSED = 100
# Of what is told of supervisors that cannot be reached.
_MOST_FAILURES = 10
_MAX_WHY = 300
FOLLOWED = (
    "Start", "Ready", "WorkersAvailable", "Draining", "ProvideWorker", "AwaitWorker",
    "WorkerIssues", "ProvideStatus",
)  # fmt: skip


class SupervisorLink:
    """Runs inside the client's machine; `net` is the replica of the supervisor in use."""

    def __init__(
        self,
        mach: am.Machine,
        name: str,
        discovery: Discovery,
        *,
        secret: am_rpc.ClientSecrets | None,
        ssl_context: Any,
    ) -> None:
        self._name = f"nc-super-{name}-{secrets.token_hex(3)}"
        self.id = wire_id(self._name)
        self._mach = mach
        self._discovery = discovery
        self._secret = secret
        self._ssl_context = ssl_context
        self._candidates = Candidates()
        self._known = trio.Event()
        self._leave = trio.Event()
        self._avoid = ""
        self._client: am_rpc.Client | None = None
        self._refused: set[str] = set()
        # Why those that were tried are not in use.
        self._failures: dict[str, str] = {}
        self.net: am_rpc.NetworkMachine | None = None
        self.addr = ""

    async def discover(self) -> None:
        """Follow the discovery."""
        pause = _AGAIN
        while True:
            try:
                async for addresses in self._discovery.addresses():
                    pause = _AGAIN
                    self._candidates.update(self._proper(addresses))
                    self._wake()
                return
            except Exception:
                # It is somebody else's code, and those that are known may still be there.
                _log.exception("the discovery of supervisors failed; once more in %g s", pause)
            await trio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    def tell(self, addresses: frozenset[str]) -> None:
        """Learn of more supervisors."""
        self._candidates.merge(self._proper(addresses))
        self._wake()

    def _proper(self, addresses: Iterable[object]) -> frozenset[str]:
        """Leave out what is no address; each of those is told of once."""
        proper = set()
        for addr in addresses:
            try:
                proper.add(check_address(addr))
            except ValueError as exc:
                told = str(exc)
                if told not in self._refused and len(self._refused) < _MOST_REFUSED:
                    self._refused.add(told)
                    _log.warning("a supervisor's address is left out: %s", told)
        return frozenset(proper)

    @property
    def failures(self) -> str:
        """Each address that was tried in vain, with the reason; or that there is none."""
        if not self._failures:
            return "none answered yet" if len(self._candidates) else "no address is known"
        return "; ".join(f"{addr}: {why}" for addr, why in self._failures.items())

    def _failed(self, addr: str, why: str) -> None:
        self._failures.pop(addr, None)
        self._failures[addr] = printable(" ".join(why.split())[:_MAX_WHY])
        while len(self._failures) > _MOST_FAILURES:
            del self._failures[next(iter(self._failures))]

    def _wake(self) -> None:
        if len(self._candidates):
            self._known.set()

    def way_to(self, contract: Mapping[str, Any]) -> str | Dialer:
        """How to connect to the worker of a `ProvideWorker` payload.

        A worker without an address of its own is where its supervisor is, and shows its
        supervisor's certificate.

        :raises KeyError, TypeError, ValueError: if the payload names no address.
        """
        host = "localhost" if self.addr.startswith("unix:") else host_of(self.addr)
        addr = check_address(contract["addr"])
        if not addr.startswith("unix:"):
            addr = reachable(addr, host)
        elif not is_near(addr):
            raise ValueError(f"{addr} is no socket of a worker of this user")
        context = self._ssl_context
        if context is not None and contract.get("tls"):
            return tls_dialer(addr, context, host)
        near = str(contract.get("near", ""))
        return near_dialer(near, addr) if is_near(near) and not addr.startswith("unix:") else addr

    @property
    def alternatives(self) -> int:
        """How many other supervisors are known."""
        return max(0, len(self._candidates) - 1)

    def rotate(self) -> None:
        """Leave this supervisor for another one, if there is one."""
        if self.alternatives:
            self._avoid = self.addr
            self._leave.set()

    async def run(self) -> None:
        """Be connected to some supervisor, for ever."""
        last = ""
        while True:
            await self._known.wait()
            addr = self._candidates.next(trio.current_time(), other_than=self._avoid)
            if addr is None:
                # All that were known are gone; there may be others some time.
                self._known = trio.Event()
                continue
            if addr == last:
                await trio.sleep(_AGAIN)
            last = addr
            self._leave = trio.Event()
            if await self._stay_with(addr):
                self._candidates.reached(addr)
                self._failures.pop(addr, None)
            else:
                self._candidates.failed(addr, trio.current_time())
                self._avoid = addr
            self._mach.add("FailingOver")

    def rotate_secret(self, secret: am_rpc.ClientSecrets) -> None:
        """Offer other secrets from the next connection on."""
        self._secret = secret
        if self._client is not None:
            self._client.rotate(secret)

    async def reached(self) -> am_rpc.NetworkMachine:
        """Wait until some supervisor is connected, and return its replica."""
        while self.net is None:
            await self._mach.when("SuperReady")
            if self.net is None:
                await trio.lowlevel.checkpoint()
        return self.net

    async def _stay_with(self, addr: str) -> bool:
        """Connect and stay until the link is over; False if it never came up or broke."""
        self.addr = addr
        client = am_rpc.Client(
            addr,
            id=self._name,
            consumer=self._mach,
            parent=self._mach,
            sync=am_rpc.Sync(allowed=FOLLOWED),
            retry=_RETRY,
            limits=link_limits(LINK_TIMEOUT * stretch()),
            secret=self._secret,
            ssl_context=self._ssl_context,
        )
        self._client = client
        async with client:
            pipes = self._pipe(client.mach)
            try:
                await client.ready(READY_TIMEOUT * stretch())
                self.net = client.net
                self._mach.remove("FailingOver")
                self._failures.pop(addr, None)
                return await self._until_over(client)
            except am_rpc.RpcError as exc:
                self._failed(addr, str(client.last_error or exc))
                return False
            finally:
                self.net = None
                for pipe in pipes:
                    pipe.detach()
                self._mach.remove("SuperReady", "SuperConnected", "SuperConnecting")
                self._mach.add("SuperDisconnected")

    def _pipe(self, rpc: am.Machine) -> list[amh.Pipe]:
        mach = self._mach
        return [
            amh.bind_connected(
                rpc,
                mach,
                "SuperDisconnected",
                "SuperConnecting",
                "SuperConnected",
                "SuperDisconnecting",
            ),
            amh.bind_ready(rpc, mach, "SuperReady"),
            amh.bind_err(rpc, mach, "ErrSupervisor"),
        ]

    async def _until_over(self, client: am_rpc.Client) -> bool:
        over = trio.Event()
        polite = True

        async def drained() -> None:
            await client.net.when("Draining")
            over.set()

        async def left() -> None:
            await self._leave.wait()
            over.set()

        async def lost() -> None:
            nonlocal polite
            while True:
                await client.mach.when_not("Ready")
                with trio.move_on_after(READY_TIMEOUT * stretch()):
                    await client.mach.when_any("Ready", "ConnRetryFailed")
                if not client.mach.is_("Ready"):
                    break
            polite = False
            self._failed(self.addr, f"lost: {client.last_error or 'the link ended'}")
            over.set()

        async with trio.open_nursery() as nursery:
            for watch in (drained, left, lost):
                nursery.start_soon(watch)
            await over.wait()
            nursery.cancel_scope.cancel()
        # One that drains is as good as gone.
        return polite and not client.net.is_("Draining")
