"""Which machines are there behind an address: asked without following any of them."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import trio

from .._errors import NetworkTimeout, NoAccess, NoMachine, RpcError
from .._options import Limits, Retry
from .._reason import translate
from .._stats import Stats
from .._transport.address import open_stream, parse_address
from .._transport.driver import Connection
from .._wire.catalog_messages import ListRequest
from .._wire.keys import Credentials
from .._wire.messages import Hello
from .._wire.protocol import Protocol
from .handshake import ask, shake_hands

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    from .._wire.catalog_messages import MachineInfo
    from .._wire.keys import ClientSecrets
    from .handshake import Speaker

# More pages than any server has: one that never ends is no list.
_MOST_PAGES: Final = 10_000


async def list_machines(
    addr: str | Callable[[], Awaitable[trio.abc.Stream]],
    *,
    id: str | None = None,
    ssl_context: ssl.SSLContext | None = None,
    secret: ClientSecrets | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    timeout: float = 3.0,  # noqa: ASYNC109 - a bound with an error of its own
) -> tuple[MachineInfo, ...]:
    """Return the machines behind an address that this key may see, in the order of their ids.

    The arguments are those of `Client`; `timeout` is in seconds. Submachines are among them if the
    server serves them. A server that finds its machines by a function tells of none. Cancelling
    closes the connection.

    Raises:
        NetworkError: no answer within `timeout`, or no connection.
        NoAccess: the secret was refused.
        RpcError: the server refused, or knows no lists.
    """
    lister = _Lister(addr, f"rc-{id or secrets.token_hex(8)}", ssl_context, secret, limits)
    with trio.move_on_after(timeout):
        while True:
            try:
                return await lister.run()
            except NoAccess:
                if not lister.credentials.refused():
                    raise
    raise NetworkTimeout(f"no list of machines within {timeout:g} s")


class _Lister:
    retry = Retry()

    def __init__(
        self,
        addr: str | Callable[[], Awaitable[trio.abc.Stream]],
        client_id: str,
        ssl_context: ssl.SSLContext | None,
        secret: ClientSecrets | None,
        limits: Limits,
    ) -> None:
        self.credentials = Credentials(secret)
        self._addr = addr
        self._id = client_id
        self._ssl_context = ssl_context
        self._limits = limits
        self._calls = 0

    def next_id(self) -> int:
        self._calls += 1
        return self._calls

    async def run(self) -> tuple[MachineInfo, ...]:
        async with trio.open_nursery() as nursery:
            try:
                connection = await self._open(nursery)
            except Exception as error:
                failed: RpcError | None = translate(error)
                found: tuple[MachineInfo, ...] = ()
            else:
                failed, found = await self._on(connection)
            nursery.cancel_scope.cancel()
        if failed is not None:
            raise failed
        return found

    async def _open(self, nursery: trio.Nursery) -> Connection:
        if isinstance(self._addr, str):
            stream = await open_stream(parse_address(self._addr), self._ssl_context, nursery)
        else:
            stream = await self._addr()
        limits = self._limits
        return Connection(stream, Protocol(client=True, limits=limits), limits, Stats())

    async def _on(self, connection: Connection) -> tuple[RpcError | None, tuple[MachineInfo, ...]]:
        try:
            return None, await self._read(connection)
        except Exception as error:
            return translate(error), ()
        finally:
            await connection.aclose()

    async def _read(self, connection: Connection) -> tuple[MachineInfo, ...]:
        credentials = self.credentials
        # An empty name is none: nothing of a machine is told, and no session is opened.
        hello = Hello(self._id, secrets.token_bytes(8), kid=credentials.key_id, to="")
        with suppress(NoMachine):
            await shake_hands(connection, self, hello)
        return await read_list(connection, self)


async def read_list(connection: Connection, speaker: Speaker) -> tuple[MachineInfo, ...]:
    """Return all machines, on a connection that was greeted and does not run; raises `RpcError`."""
    found: dict[str, MachineInfo] = {}
    after = ""
    for _ in range(_MOST_PAGES):
        page: tuple[MachineInfo, ...] = await ask(connection, speaker, ListRequest(after))
        if not page:
            break
        found |= {machine.id: machine for machine in page}
        after = page[-1].id
    return tuple(found.values())
