"""The connections of the REPL: one client per address, each with a life of its own."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from .._client.client import Client
from .._errors import RpcError
from .._options import Retry
from .._reason import HINT
from .._wire.messages import ArgsRequest

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    import am_machine as am

    from .._client.network_machine import NetworkMachine
    from .._wire.keys import ClientSecrets

logger: Final = logging.getLogger("am_rpc")
_UNDER_WAY: Final = ("Connecting", "Connected")
# Somebody looks on: try again soon, and go on for a day.
RETRY: Final = Retry(
    connect_delay=0.5, connect_max_delay=5.0, connect_tries=20_000, connect_total=86_400.0
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to reach machines: TLS, and a shared secret with its key id if it has one."""

    ssl_context: ssl.SSLContext | None = None
    secret: ClientSecrets | None = None


class Peer:
    """One address: connecting, connected, or lost."""

    def __init__(self, addr: str, access: Access, log_level: am.LogLevel) -> None:
        self.addr = addr
        self.client = Client(
            addr, retry=RETRY, ssl_context=access.ssl_context, secret=access.secret
        )
        self.client.mach.log_level = log_level
        self.scope = trio.CancelScope()
        self.was_tried = False
        # Args that the source's states declare, for completion; fetched on each connection.
        self.args: Mapping[str, tuple[str, ...]] = {}

    @property
    def net(self) -> NetworkMachine | None:
        """The replica, once there was a connection."""
        return None if self.client.boot is None else self.client.net

    @property
    def is_connected(self) -> bool:
        """Tell whether the replica is live."""
        return self.client.mach.is_("Ready")

    @property
    def id(self) -> str:
        """Id of the machine at the other end; empty until it was heard of."""
        net = self.net
        return "" if net is None else net.remote_id

    @property
    def parent(self) -> str:
        """Id of that machine's parent; empty if it has none."""
        net = self.net
        return "" if net is None else net.remote_parent or ""

    @property
    def status(self) -> str:
        """`connected`, `connecting` or `disconnected`; pauses between attempts are the latter."""
        if self.is_connected:
            return "connected"
        return "connecting" if self.client.mach.any_(*_UNDER_WAY) else "disconnected"

    @property
    def error(self) -> RpcError | None:
        """Why there is no connection, once an attempt has failed."""
        return None if self.is_connected else self.client.last_error

    @property
    def why_not_connected(self) -> str:
        """The same in words; before the first failure what is known so far."""
        if self.error is not None:
            return str(self.error)
        return f"no answer yet; {HINT}" if self.client.mach.is_("Connected") else "no answer yet"

    async def fetch_args(self) -> None:
        """Ask which args the states declare; without an answer none are known."""
        try:
            self.args = await self.client.call(ArgsRequest())
        except RpcError as error:
            logger.info("%s: args: %s", self.client.mach.id, error)


class Pool:
    """All peers of a REPL, in the order of their addresses.

    `mach` is told of each connection by `RpcConn` and of each failure by `RpcDisconn`; its tasks
    hold the connections.
    """

    def __init__(self, mach: am.Machine, access: Access) -> None:
        self.mach = mach
        self.access = access
        self._peers: dict[str, Peer] = {}

    @property
    def peers(self) -> tuple[Peer, ...]:
        """All peers; may be read from any thread."""
        return tuple(self._peers.values())

    @property
    def connected(self) -> tuple[Peer, ...]:
        """The peers whose replica is live."""
        return tuple(peer for peer in self.peers if peer.is_connected)

    @property
    def is_settled(self) -> bool:
        """Tell whether every address was tried."""
        return all(peer.was_tried for peer in self.peers)

    def update(self, addrs: tuple[str, ...]) -> tuple[str, ...]:
        """Connect new addresses, leave known ones alone, drop the others and return them."""
        gone = tuple(addr for addr in self._peers if addr not in addrs)
        for addr in gone:
            self._peers[addr].scope.cancel()
        known = self._peers
        # One assignment, since completion reads in another thread.
        self._peers = {addr: known.get(addr) or self._open(addr) for addr in addrs}
        return gone

    def reconnect(self) -> None:
        """Try every lost address anew, at once."""
        for peer in self.peers:
            if not peer.is_connected:
                peer.scope.cancel()
                self._peers[peer.addr] = self._open(peer.addr)

    def _open(self, addr: str) -> Peer:
        peer = Peer(addr, self.access, self.mach.log_level)
        peer.client.mach.bind(
            {
                "ReadyState": partial(self._on_ready, peer),
                "ReadyEnd": partial(self._on_lost, peer),
                "RetryingConnState": partial(self._on_failed, peer),
                "ConnRetryFailedState": partial(self._on_failed, peer),
            }
        )
        self.mach.fork(self._hold, peer)
        return peer

    @staticmethod
    async def _hold(peer: Peer) -> None:
        with peer.scope:
            async with peer.client:
                await trio.sleep_forever()

    def _on_ready(self, peer: Peer, event: am.Event) -> None:
        peer.was_tried = True
        if self._is_current(peer):
            self.mach.add("RpcConn", addr=peer.addr, id=peer.id)
            self.mach.fork(peer.fetch_args)

    def _on_failed(self, peer: Peer, event: am.Event) -> None:
        # Told once; the attempts after that are of no news.
        if not peer.was_tried:
            self._on_lost(peer, event)

    def _on_lost(self, peer: Peer, event: am.Event) -> None:
        peer.was_tried = True
        if self._is_current(peer):
            self.mach.add("RpcDisconn", addr=peer.addr, id=peer.id, err=peer.client.last_error)

    def _is_current(self, peer: Peer) -> bool:
        return self._peers.get(peer.addr) is peer and not self.mach.disposed
