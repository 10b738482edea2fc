"""`arpc doctor ADDR`: why no connection comes about, step by step."""

from __future__ import annotations

import os
import secrets
import ssl
import stat
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import trio

from .._client.handshake import ask, shake_hands
from .._client.listing import read_list
from .._errors import (
    NoAccess,
    NoMachine,
    RpcError,
    VersionMismatch,
)
from .._options import Limits, Retry
from .._reason import HINT, reason, translate
from .._stats import Stats
from .._transport.address import parse_address, start_tls
from .._transport.driver import Connection
from .._transport.peer_user import peer_user
from .._wire.agreed_limits import OF_SERVER, parse_told
from .._wire.keys import Credentials
from .._wire.messages import VERSION, Hello, Ping, Ready
from .._wire.protocol import Protocol
from ._outcome import Code, Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from .._transport.address import Address
    from .._wire.handshake_messages import Welcome
    from ._pool import Access

STEP_TIME: Final = 3.0
_SHOWN: Final = 5


@dataclass(frozen=True, slots=True)
class Step:
    """One step on the way to a connection: what was found, and what to do if it failed."""

    name: str
    found: str
    advice: str = ""
    # None while it is fine, else the exit code.
    code: Code | None = None


class _Failed(Exception):
    """A step failed: those after it cannot be taken."""


@dataclass(slots=True)
class Examination:
    """The steps that were taken, in order."""

    addr: str
    steps: list[Step] = field(default_factory=list)

    def fine(self, name: str, found: str, advice: str = "") -> None:
        """Note a step that went well; `advice` if something might be better."""
        self.steps.append(Step(name, found, advice))

    def failed(
        self, name: str, found: str, advice: str, code: Code = Code.NOT_CONNECTED
    ) -> NoReturn:
        """Note a step that failed.

        :raises _Failed: always.
        """
        self.steps.append(Step(name, found, advice, code))
        raise _Failed

    def outcome(self) -> Outcome:
        """Return it as the outcome of a command: one line a step, and one of advice below."""
        code = next((step.code for step in self.steps if step.code is not None), Code.OK)
        lines = []
        for step in self.steps:
            mark = "ok  " if step.code is None else "FAIL"
            lines.append(f"{mark} {step.name}: {step.found}")
            if step.advice:
                lines.append(f"     {step.advice}")
        steps = [
            {"step": s.name, "ok": s.code is None, "found": s.found, "advice": s.advice}
            for s in self.steps
        ]
        return Outcome(code, data={"addr": self.addr, "steps": steps}, lines=tuple(lines))


async def examine(addr: str, access: Access, patience: float = STEP_TIME) -> Outcome:
    """Try to connect, a step at a time, each at most `patience` seconds; nothing is changed there.

    The exit code is 0 if all is fine, 1 if the server says no (key, version, machine), 3 if there
    is no connection, 4 if something did not answer in time.

    :raises ValueError: if it is no address.
    """
    address = parse_address(addr)
    found = Examination(addr)
    with suppress(_Failed):
        await _examine(found, address, access, patience)
    return found.outcome()


async def _examine(found: Examination, address: Address, access: Access, patience: float) -> None:
    if address.kind == "unix":
        _look_at_file(found, address.path)
    else:
        await _look_up(found, address, patience)
    context = access.ssl_context
    if context is None and address.kind == "wss":
        context = ssl.create_default_context()
    stream = await _connect(found, address, patience)
    async with trio.open_nursery() as nursery:
        try:
            stream = await _tls(found, stream, address, context, patience)
            stream = await _websocket(found, stream, address, nursery, patience)
            limits = Limits()
            connection = Connection(stream, Protocol(client=True, limits=limits), limits, Stats())
            await _talk(found, connection, address, access, context is not None, patience)
        except _Failed:
            # It was noted; raised in here it would come out in a group.
            pass
        finally:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)
            nursery.cancel_scope.cancel()


# The way there.


def _look_at_file(found: Examination, path: str) -> None:
    try:
        status = os.stat(path)
    except OSError as error:
        advice = "is the server running, and is this the path that it prints?"
        found.failed("socket file", f"{path}: {reason(error)}", advice)
    if not stat.S_ISSOCK(status.st_mode):
        found.failed("socket file", f"{path} is no socket", "give the path of the server's socket")
    told = f"{path}, mode {stat.S_IMODE(status.st_mode):04o}, of user {status.st_uid}"
    if status.st_uid != os.geteuid():
        found.fine("socket file", told, "servers let in their own user and root alone")
    else:
        found.fine("socket file", told)


async def _look_up(found: Examination, address: Address, patience: float) -> None:
    try:
        with trio.fail_after(patience):
            rows = await trio.socket.getaddrinfo(
                address.host, address.port, type=trio.socket.SOCK_STREAM
            )
    except trio.TooSlowError:
        told = f"{address.host}: no answer within {patience:g} s"
        found.failed("name lookup", told, "is the resolver reachable?", Code.TIMEOUT)
    except OSError as error:
        advice = "check the spelling, or give the number of the host"
        found.failed("name lookup", f"{address.host}: {reason(error)}", advice)
    numbers = dict.fromkeys(str(row[4][0]) for row in rows)
    found.fine("name lookup", f"{address.host} is {', '.join(numbers)}")


async def _connect(found: Examination, address: Address, patience: float) -> trio.abc.Stream:
    step = "unix socket" if address.kind == "unix" else "TCP"
    where = address.path if address.kind == "unix" else f"{address.host} port {address.port}"
    try:
        with trio.fail_after(patience):
            stream = await _dial(address)
    except trio.TooSlowError:
        advice = "a firewall that drops packets, or the wrong host"
        found.failed(step, f"{where}: no answer within {patience:g} s", advice, Code.TIMEOUT)
    except OSError as error:
        advice = "is the server running, and does it listen on this address and port?"
        found.failed(step, f"{where}: {reason(error)}", advice)
    user = peer_user(stream)
    found.fine(
        step, f"connected to {where}" + ("" if user is None else f", a process of user {user}")
    )
    return stream


async def _dial(address: Address) -> trio.abc.Stream:
    if address.kind == "unix":
        return await trio.open_unix_socket(address.path)
    return await trio.open_tcp_stream(address.host, address.port)


async def _tls(
    found: Examination,
    stream: trio.abc.Stream,
    address: Address,
    context: ssl.SSLContext | None,
    patience: float,
) -> trio.abc.Stream:
    if context is None:
        advice = ""
        if not address.is_local:
            advice = "others on the way can read and change everything: use TLS"
        found.fine("TLS", "not used", advice)
        return stream
    try:
        with trio.fail_after(patience):
            wrapped = await start_tls(stream, context, server_hostname=address.host or "localhost")
    except trio.TooSlowError:
        advice = "it may speak no TLS: try without --tls-ca, or ws:// for wss://"
        found.failed("TLS", f"no answer within {patience:g} s", advice, Code.TIMEOUT)
    except Exception as error:
        advice = "trust who signed its certificate by --tls-ca; or it speaks no TLS: leave it away"
        found.failed("TLS", reason(error), advice)
    assert isinstance(wrapped, trio.SSLStream)
    cipher = wrapped.cipher()
    found.fine("TLS", f"{wrapped.version()}, {cipher[0] if cipher else 'no cipher'}")
    return wrapped


async def _websocket(
    found: Examination,
    stream: trio.abc.Stream,
    address: Address,
    nursery: trio.Nursery,
    patience: float,
) -> trio.abc.Stream:
    if address.kind not in ("ws", "wss"):
        return stream
    # Only here, for it needs an extra.
    from .._transport.websocket import open_websocket_stream

    try:
        with trio.fail_after(patience):
            opened = await open_websocket_stream(stream, address, nursery)
    except trio.TooSlowError:
        advice = "it may speak plain aRPC: try host:port"
        found.failed("websocket", f"no answer within {patience:g} s", advice, Code.TIMEOUT)
    except OSError as error:
        advice = "it may speak plain aRPC (try host:port), or want TLS (try wss://)"
        found.failed("websocket", reason(error), advice)
    found.fine("websocket", f"open at {address.path}")
    return opened


# The conversation.


class _Speaker:
    """Who introduces itself; each question is asked once more at half time."""

    def __init__(self, access: Access, patience: float) -> None:
        self.credentials = Credentials(access.secret)
        self.retry = Retry(call_timeout=patience)
        self._calls = 0

    def next_id(self) -> int:
        self._calls += 1
        return self._calls


async def _talk(
    found: Examination,
    connection: Connection,
    address: Address,
    access: Access,
    has_tls: bool,
    patience: float,
) -> None:
    speaker = _Speaker(access, patience)
    machine = access.machines[0] if access.machines else None
    key_id = speaker.credentials.key_id
    hello = Hello("rc-doctor", secrets.token_bytes(8), kid=key_id, to=machine)
    try:
        with trio.fail_after(patience):
            welcome = await shake_hands(connection, speaker, hello)
    except trio.TooSlowError:
        told = f"connected, but no answer within {patience:g} s"
        found.failed("handshake", told, await _other_tongue(address, has_tls), Code.TIMEOUT)
    except VersionMismatch as error:
        found.fine("handshake", "an aRPC server")
        found.failed("version", str(error), "upgrade the older of the two", Code.NO)
    except NoAccess as error:
        found.fine("handshake", f"an aRPC server, version {VERSION}")
        found.failed("key", str(error), _key_advice(speaker, str(error)), Code.NO)
    except NoMachine as error:
        await _tell_machines(found, connection, speaker, error)
    except Exception as error:
        found.failed("handshake", str(translate(error)), await _other_tongue(address, has_tls))
    found.fine("handshake", "an aRPC server")
    found.fine("version", str(VERSION))
    _tell_key(found, speaker)
    shape = welcome.shape
    told = f"{welcome.id}, {shape.states} states"
    if welcome.hops > 1:
        told += f", behind {welcome.hops - 1} relays"
    found.fine("machine", told)
    _tell_limits(found, welcome)
    await _measure(found, connection, speaker, patience)


def _key_advice(speaker: _Speaker, told: str) -> str:
    if speaker.credentials.secret is None:
        return "give --secret-file, and --key-id if the server has several keys"
    if "did not ask" in told:
        return "it has no secret, so it may be another server than the one meant"
    if speaker.credentials.key_id is None:
        return "compare the secrets; if the server has several keys, give --key-id"
    return "compare the secrets and the key id; the key may open nothing, or be for other clients"


def _tell_key(found: Examination, speaker: _Speaker) -> None:
    credentials = speaker.credentials
    if credentials.secret is None:
        found.fine("key", "the server wants none")
    else:
        named = "" if credentials.key_id is None else f" {credentials.key_id}"
        found.fine("key", f"both ends know the secret of the key{named}")


async def _tell_machines(
    found: Examination, connection: Connection, speaker: _Speaker, error: NoMachine
) -> NoReturn:
    found.fine("handshake", "an aRPC server")
    found.fine("version", str(VERSION))
    found.fine("key", "the server wants none" if speaker.credentials.secret is None else "taken")
    try:
        ids = [machine.id for machine in await read_list(connection, speaker)]
    except RpcError as fault:
        found.failed("machine", str(fault), "try again: it went meanwhile")
    some = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    advice = f"give --machine ID: there are {len(ids)}: {some}"
    if not ids:
        advice = "this key opens none, or the server tells none: give --machine ID, or another key"
    found.failed("machine", str(error), advice, Code.NO)


def _tell_limits(found: Examination, welcome: Welcome) -> None:
    try:
        said = parse_told(welcome.limits, OF_SERVER)
    except RpcError as error:
        found.failed("limits", str(error), "the server is of another kind or version")
    usual = Limits()
    other = [f"{name} {n:,}" for name, n in said.items() if n != getattr(usual, name)]
    found.fine("limits", ", ".join(other) if other else "the usual ones")


async def _measure(
    found: Examination, connection: Connection, speaker: _Speaker, patience: float
) -> None:
    try:
        with trio.fail_after(patience):
            await ask(connection, speaker, Ready())
            begun = trio.current_time()
            await ask(connection, speaker, Ping())
    except trio.TooSlowError:
        told = f"no answer within {patience:g} s"
        found.failed("round trip", told, "the server is busy, or stuck in a handler", Code.TIMEOUT)
    except RpcError as error:
        found.failed("round trip", str(error), "look into the server's log")
    found.fine("round trip", f"{1000 * (trio.current_time() - begun):.1f} ms")


async def _other_tongue(address: Address, has_tls: bool) -> str:
    """Find out what else may be spoken there, and return what to do."""
    if address.kind != "tcp":
        return HINT
    if not has_tls and await _answers_tls(address):
        return "it speaks TLS: give --tls-ca FILE"
    if await _answers_http(address):
        return f"it is a web server, or listens for websockets: try ws://{address}"
    return HINT


async def _answers_tls(address: Address) -> bool:
    # Only to see whether there is TLS: nothing is said over it.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        async with _fresh(address) as stream:
            await start_tls(stream, context, server_hostname=address.host)
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        return False
    return True


async def _answers_http(address: Address) -> bool:
    try:
        async with _fresh(address) as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return bytes(await stream.receive_some(64)).startswith(b"HTTP/")
    except (OSError, trio.BrokenResourceError, trio.TooSlowError):
        return False


@asynccontextmanager
async def _fresh(address: Address) -> AsyncIterator[trio.abc.Stream]:
    with trio.fail_after(1):
        stream = await _dial(address)
        try:
            yield stream
        finally:
            await trio.aclose_forcefully(stream)
