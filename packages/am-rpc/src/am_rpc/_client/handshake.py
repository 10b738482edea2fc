"""The client's half of the handshake."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Protocol

import trio

from .._errors import (
    ErrorCode,
    InvalidResponse,
    NetworkError,
    NoAccess,
    NoMachine,
    NotConnected,
    ProtocolError,
    VersionMismatch,
)
from .._reason import HINT
from .._wire import handshake_messages as w
from .._wire import messages as m
from .._wire.auth import NONCE_SIZE, client_mac, verify_server
from .._wire.catalog_messages import CHOOSE
from .._wire.protocol import Notification, Response

if TYPE_CHECKING:
    from .._options import Retry
    from .._transport.driver import Connection
    from .._wire.keys import Credentials
    from .._wire.protocol import Event


class Speaker(Protocol):
    """Who introduces itself."""

    credentials: Credentials

    @property
    def retry(self) -> Retry:
        """When a message is repeated."""
        ...

    def next_id(self) -> int:
        """Return the number of the next request."""
        ...


async def shake_hands(connection: Connection, client: Speaker, hello: m.Hello) -> w.Welcome:
    """Introduce the client and return the server's welcome, not accepted yet.

    Raises:
        NoAccess: the server refused the client, or did not prove that it knows the secret.
        RpcError: any other refusal, by its code.
        NoMachine: there is no such machine, or none was named where there are several.
        NetworkError: the connection broke.
    """
    try:
        return await _introduce(connection, client, hello)
    except NetworkError as error:
        if error.code is not ErrorCode.BUSY or str(error) != CHOOSE:
            raise
        told = "there are several machines: name one, by machine="
        if hello.to is not None:
            told = f"there is no machine {hello.to!r} for this client"
        raise NoMachine(told) from error


async def _introduce(connection: Connection, client: Speaker, hello: m.Hello) -> w.Welcome:
    try:
        greeting = await ask(connection, client, hello)
    except NoAccess as error:
        raise NoAccess(f"the server does not let in the client id {hello.id}") from error
    except VersionMismatch as error:
        told = f"the server speaks another version of the protocol ({error}), this client {hello.v}"
        raise VersionMismatch(told) from error
    secret = client.credentials.secret
    if isinstance(greeting, w.Welcome):
        if secret is not None:
            raise NoAccess("the server did not ask for the secret")
        return greeting
    if secret is None:
        raise NoAccess("the server wants a secret")
    nonce = secrets.token_bytes(NONCE_SIZE)
    mac = client_mac(secret, greeting.nonce, nonce, connection.protocol.hello_digest)
    try:
        welcome = await ask(connection, client, m.Auth(nonce, mac))
    except NoAccess as error:
        told = f"the server refused the secret, or it is not meant for the client id {hello.id}"
        raise NoAccess(told) from error
    if not isinstance(welcome, w.Welcome):
        raise InvalidResponse("a second challenge")
    if not verify_server(secret, greeting.nonce, nonce, welcome.mac):
        raise NoAccess("the server does not know the secret")
    return welcome


async def accept(connection: Connection, client: Speaker) -> None:
    """Tell the server that its welcome is fine; afterwards it begins to push."""
    await ask(connection, client, m.Ready())


async def ask(connection: Connection, client: Speaker, message: m.Message) -> Any:
    """Make a call before `run`, again if it is not answered in time, and return its result."""
    call_id = client.next_id()
    data = connection.protocol.send_request(call_id, message)
    while True:
        await connection.send_now(data)
        with trio.move_on_after(client.retry.call_timeout / 2):
            while True:
                event = await _heard(connection)
                if isinstance(event, Response) and event.id == call_id:
                    if event.error is not None:
                        raise event.error
                    return event.result
                if isinstance(event, Notification) and isinstance(event.message, m.Bye):
                    raise NotConnected("the server said bye")


async def _heard(connection: Connection) -> Event:
    try:
        return await connection.receive()
    except ProtocolError as error:
        raise ProtocolError(f"what answers is no aRPC ({error}); {HINT}") from error
    except NotConnected as error:
        over_tls = isinstance(connection.stream, trio.SSLStream)
        hint = "does it want a client certificate?" if over_tls else HINT
        raise NotConnected(f"{error} amid the handshake; {hint}") from error
