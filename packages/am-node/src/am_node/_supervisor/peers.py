"""Other supervisors: following how they are, and telling clients of those that can be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import trio

import am_rpc

if TYPE_CHECKING:
    import am_machine as am

    from .shared import Shared

NODES = "NodesList"
_FOLLOWED = ("Start", "Ready", "WorkersAvailable", "Draining")
_RETRY = am_rpc.Retry(connect_tries=2**31, connect_total=float("inf"))


def _offered(secret: am_rpc.Secrets | None) -> am_rpc.ClientSecrets | None:
    """What to offer to peers, which take what this supervisor takes."""
    if not isinstance(secret, Mapping):
        return secret
    offered: dict[str, Any] = dict(secret)
    for key_id, given in secret.items():
        if isinstance(given, tuple) and _is_pair(given):
            offered[key_id] = given[0]
    return offered


def _is_pair(given: tuple[Any, ...]) -> bool:
    """Whether this is a secret with the client ids that it is good for."""
    return len(given) == 2 and (given[1] is None or isinstance(given[1], (set, frozenset)))


class Peers:
    """Follows the supervisors at `addresses` for as long as this one is started."""

    def __init__(
        self,
        shared: Shared,
        addresses: Sequence[str],
        secret: am_rpc.Secrets | None,
        ssl_context: Any,
    ) -> None:
        self._shared = shared
        self._mach = shared.mach
        self._addresses = tuple(addresses)
        self._secret = _offered(secret)
        self._clients: set[am_rpc.Client] = set()
        self._ssl_context = ssl_context
        self._usable: set[str] = set()

    async def StartState(self, e: am.Event) -> None:
        """Follow each peer in a task of its own."""
        async with trio.open_nursery() as nursery:
            for number, addr in enumerate(self._addresses):
                nursery.start_soon(self._follow, number, addr)

    def ClientConnectedState(self, e: am.Event) -> None:
        """Tell the newcomer, which costs the others a few bytes."""
        self._mach.remove("ClientConnected")
        self._tell()

    def ClientDisconnectedState(self, e: am.Event) -> None:
        """An event."""
        self._mach.remove("ClientDisconnected")

    def SuperConnectedState(self, e: am.Event) -> None:
        """An event."""
        self._mach.remove("SuperConnected")
        self._tell()

    def SuperDisconnectedState(self, e: am.Event) -> None:
        """An event."""
        self._mach.remove("SuperDisconnected")
        self._tell()

    async def _follow(self, number: int, addr: str) -> None:
        client = am_rpc.Client(
            addr,
            id=f"nc-peer-{self._mach.id}-{number}",
            parent=self._mach,
            sync=am_rpc.Sync(allowed=_FOLLOWED),
            retry=_RETRY,
            secret=self._secret,
            ssl_context=self._ssl_context,
        )
        self._clients.add(client)
        async with client:
            while True:
                await client.mach.when("Ready")
                if await self._usable_now(client):
                    self._usable.add(addr)
                    self._mach.add("SuperConnected", addr=addr)
                    await self._until_unusable(client)
                    self._usable.discard(addr)
                    self._mach.add("SuperDisconnected", addr=addr)

    def rotate(self, secret: am_rpc.Secrets) -> None:
        """Offer other secrets from the next connection on."""
        offered = _offered(secret)
        self._secret = offered
        for client in self._clients:
            if offered is not None:
                client.rotate(offered)

    async def _usable_now(self, client: am_rpc.Client) -> bool:
        async with trio.open_nursery() as nursery:

            async def lost() -> None:
                await client.mach.when_not("Ready")
                nursery.cancel_scope.cancel()

            nursery.start_soon(lost)
            await client.net.when("Ready")
            await client.net.when_not("Draining")
            nursery.cancel_scope.cancel()
        return client.mach.is_("Ready") and client.net.is_("Ready")

    async def _until_unusable(self, client: am_rpc.Client) -> None:
        async with trio.open_nursery() as nursery:

            async def first(wait: am.Wait) -> None:
                await wait
                nursery.cancel_scope.cancel()

            nursery.start_soon(first, client.mach.when_not("Ready"))
            nursery.start_soon(first, client.net.when("Draining"))
            nursery.start_soon(first, client.net.when_not("Ready"))

    def _tell(self) -> None:
        if self._addresses:
            self._mach.add("ClientSendPayload", name=NODES, data=sorted(self._usable))
