"""What all servers of one source share, and the handshake that a client must pass."""

from __future__ import annotations

import logging
import random
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import trio

from .._caller import Caller
from .._errors import (
    ErrorCode,
    InvalidParams,
    NoAccess,
    NotConnected,
    ProtocolError,
    RpcError,
    VersionMismatch,
)
from .._options import Access, Limits, Sync
from .._stats import Stats
from .._wire.agreed_limits import OF_CLIENT, parse_told
from .._wire.auth import NONCE_SIZE, verify_client
from .._wire.catalog_messages import CHOOSE, ListRequest
from .._wire.handshake_messages import Challenge
from .._wire.keys import Key, Keyring
from .._wire.messages import VERSION, Auth, Hello, Ready
from .._wire.protocol import Notification, Refusal, Request
from .machines import page, told_id
from .session import SessionStore
from .strangers import Strangers

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    import am_machine as am

    from .._transport.driver import Connection
    from .._wire.keys import Secrets
    from .._wire.protocol import Event
    from .machines import Catalog

logger: Final = logging.getLogger("am_rpc")
PUSH_INTERVAL: Final = 0.25
PUSH_MAX_MUTATIONS: Final = 256


class Serving:
    """How a source is served; shared by a mux and its servers.

    Written out, since what a dataclass generates delays the start of each process that serves.
    """

    def __init__(
        self,
        push_interval: float | None = PUSH_INTERVAL,
        push_max_mutations: int = PUSH_MAX_MUTATIONS,
        strict: bool = False,
        access: Access = Access(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        ssl_context: ssl.SSLContext | None = None,
        secret: Secrets | None = None,
        allow_id: str | None = None,
        payload_state: str = "SendPayload",
        websocket: bool = False,
        origins: Sequence[str] = (),
        is_loopback: bool = False,
        boot: bytes | None = None,
        stats: Stats | None = None,
    ) -> None:
        if isinstance(origins, str):
            raise TypeError("origins: give several, not one str")
        self.push_interval = push_interval
        self.push_max_mutations = push_max_mutations
        self.strict = strict
        self.access = access
        self.limits = limits
        self.ssl_context = ssl_context
        self.secret = secret
        self.allow_id = allow_id
        self.payload_state = payload_state
        # Whether the mux listens for websockets; its servers get plain streams.
        self.websocket = websocket
        # Web pages that may connect, by their origin; the host that requests must name is this one.
        self.origins = tuple(origins)
        self.is_loopback = is_loopback
        self.boot = boot or secrets.token_bytes(8)
        self.stats = Stats() if stats is None else stats
        self.keyring = None if secret is None else Keyring(secret)
        self.sessions = SessionStore(limits, self.stats)
        self.strangers = Strangers(limits.strangers)

    def replace(self, **changed: Any) -> Serving:
        """Return the same with some settings changed, which have the names of the arguments.

        It counts with this one, and has sessions of its own. `copy.replace` of Python 3.13 does it,
        too.
        """
        return Serving(**({name: getattr(self, name) for name in _SETTINGS} | changed))

    __replace__ = replace

    def rotate(self, secret: Secrets) -> None:
        """Take these keys from now on, instead of those before; raises as `Keyring`."""
        self.keyring = Keyring(secret)
        self.secret = secret

    def still_takes(self, key_id: str | None, key: Key | None) -> bool:
        """Tell whether who proved to have this key would be let in with the same rights again."""
        return self.keyring is None or self.keyring.holds(key_id, key)


# What its constructor takes.
_SETTINGS: Final = (
    "push_interval", "push_max_mutations", "strict", "access", "limits", "ssl_context", "secret",
    "allow_id", "payload_state", "websocket", "origins", "is_loopback", "boot", "stats",
)  # fmt: skip


class Greeted(NamedTuple):
    """A client that may be welcomed: what it said, who it proved to be, how to answer it."""

    hello: Hello
    sync: Sync
    key_id: str | None
    mac: bytes | None
    reply_to: int
    limits: dict[str, int]
    access: Access
    source: am.MachineApi
    # What it proved to have, if the server wants a secret.
    key: Key | None = None


async def greet(connection: Connection, serving: Serving, catalog: Catalog) -> Greeted | None:
    """Take the client's hello, and its proof if there is a secret; find the machine that it means.

    None if it means no machine that it may have: then it can only ask which ones there are.

    Refusals were written to the client when this raises.

    Raises:
        VersionMismatch: no protocol version in common.
        NoAccess: wrong secret or id, or a key that opens nothing; raised after a random delay.
        ProtocolError, NetworkError: the handshake broke.
    """
    call_id, hello = await _expect(connection, Hello)
    if hello.v != VERSION:
        await _refuse(connection, call_id, ErrorCode.VERSION, f"supported: {VERSION}")
        raise VersionMismatch(f"client speaks {hello.v}")
    try:
        said = {} if hello.lim is None else parse_told(hello.lim, OF_CLIENT)
    except InvalidParams as error:
        await _refuse(connection, call_id, error.code, str(error))
        raise ProtocolError(str(error)) from error
    sync = Sync(**hello.sync) if hello.sync is not None else Sync()
    if serving.keyring is None:
        if serving.allow_id not in (None, hello.id) or serving.access.is_nothing:
            await _deny(connection, call_id, serving)
        source = await _choose(connection, catalog, hello, call_id, None, None)
        if source is None:
            return None
        return Greeted(hello, sync, None, None, call_id, said, serving.access, source)
    nonce = secrets.token_bytes(NONCE_SIZE)
    challenge = connection.protocol.send_result(call_id, Challenge(nonce))
    await connection.send_now(challenge)
    call_id, auth = await _expect(connection, Auth, repeat=(call_id, challenge))
    verdict = verify_client(
        serving.keyring,
        key_id=hello.kid,
        client_id=hello.id,
        server_nonce=nonce,
        client_nonce=auth.nonce,
        hello=connection.protocol.hello_digest,
        mac=auth.mac,
    )
    if verdict is None or serving.allow_id not in (None, hello.id):
        await _deny(connection, call_id, serving)
    assert verdict is not None
    key = verdict.key
    access = serving.access if key.access is None else key.access
    if access.is_nothing:
        await _deny(connection, call_id, serving)
    source = await _choose(connection, catalog, hello, call_id, verdict.key_id, key)
    if source is None:
        return None
    return Greeted(hello, sync, verdict.key_id, verdict.mac, call_id, said, access, source, key)


async def _choose(
    connection: Connection,
    catalog: Catalog,
    hello: Hello,
    call_id: int,
    key_id: str | None,
    key: Key | None,
) -> am.MachineApi | None:
    """Return the machine that a client means; without one, tell it what there is until it goes."""
    source = catalog.find(hello.to, Caller(hello.id, hello.session, key_id))
    if source is not None and (key is None or key.opens(told_id(source))):
        return source
    refusal = connection.protocol.send_refusal(call_id, ErrorCode.BUSY, CHOOSE)
    await connection.send_now(refusal)
    try:
        while True:
            event = await connection.receive()
            if isinstance(event, Request) and isinstance(event.message, ListRequest):
                rows = page(catalog, event.message.after, key)
                await connection.send_now(connection.protocol.send_result(event.id, rows))
            elif isinstance(event, Request) and event.id == call_id:
                await connection.send_now(refusal)
            elif isinstance(event, Notification):
                return None
            elif isinstance(event, Request):
                await _refuse(connection, event.id, ErrorCode.NOT_READY, CHOOSE)
                return None
            else:
                raise ProtocolError("no machine was chosen")
    except NotConnected:
        return None


async def await_ready(
    connection: Connection, greeted: Greeted, welcome: bytes, catalog: Catalog
) -> None:
    """Wait until the client accepted the welcome, which is repeated if the client repeats."""

    def tell(after: str) -> list[list[Any]]:
        return page(catalog, after, greeted.key)

    ready, _ = await _expect(connection, Ready, repeat=(greeted.reply_to, welcome), tell=tell)
    connection.protocol.admit(len(greeted.source.schema))
    await connection.send_now(connection.protocol.send_result(ready))


async def _expect(
    connection: Connection,
    kind: type[Any],
    repeat: tuple[int, bytes] | None = None,
    tell: Callable[[str], list[list[Any]]] | None = None,
) -> tuple[int, Any]:
    while True:
        event: Event = await connection.receive()
        if isinstance(event, Request) and isinstance(event.message, kind):
            return event.id, event.message
        if repeat is not None and isinstance(event, Request) and event.id == repeat[0]:
            await connection.send_now(repeat[1])
            continue
        if isinstance(event, Refusal) and event.id is not None:
            await _refuse(connection, event.id, event.code, event.text)
            raise ProtocolError(event.text)
        if tell is not None and isinstance(event, Request) and type(event.message) is ListRequest:
            rows = tell(event.message.after)
            await connection.send_now(connection.protocol.send_result(event.id, rows))
            continue
        if isinstance(event, Request):
            await _refuse(connection, event.id, ErrorCode.NOT_READY, "say hello first")
        raise ProtocolError(f"{kind.__name__} was expected, not {type(event).__name__}")


async def _refuse(connection: Connection, call_id: int, code: int, text: str) -> None:
    await connection.send_now(connection.protocol.send_refusal(call_id, code, text))


async def _deny(connection: Connection, call_id: int, serving: Serving) -> None:
    # The delay hides how far the proof was right and slows down guessing.
    await trio.sleep(serving.limits.refusal_delay * random.uniform(0.5, 1.5))
    await _refuse(connection, call_id, ErrorCode.NO_ACCESS, "no access")
    raise NoAccess("wrong secret or id")


async def turn_away(connection: Connection, code: ErrorCode, text: str) -> None:
    """Answer a client's first message with an error, so that it knows why; then close."""
    try:
        with trio.move_on_after(1):
            event = await connection.receive()
            if isinstance(event, Request):
                await _refuse(connection, event.id, code, text)
    except RpcError as error:
        logger.debug("a refused client broke off: %s", error)
    finally:
        await connection.aclose()


def check_exposure(address: Any, serving: Serving) -> None:
    """Warn of an address that others can reach unprotected; raise `ValueError` if strict."""
    if address.is_local or serving.ssl_context is not None or serving.secret is not None:
        return
    text = f"{address} can be reached from other hosts without TLS or secret"
    if serving.strict:
        raise ValueError(text)
    logger.warning("%s", text)
