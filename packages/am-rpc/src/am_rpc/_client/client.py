"""`Client`: keeps one connection to a server alive and owns the replica behind it."""

from __future__ import annotations

import logging
import random
import secrets
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Literal, Self, Unpack

import trio

import am_machine as am

from .._env import own_tags, tune
from .._errors import (
    ErrorCode,
    InvalidParams,
    NetworkError,
    NetworkTimeout,
    NoAccess,
    NotConnected,
    RpcError,
    VersionMismatch,
)
from .._options import Limits, Retry, Sync
from .._reason import HINT, translate
from .._states import ClientStates, error_state
from .._transport.address import open_stream, parse_address
from .._transport.driver import Connection
from .._wire.catalog_messages import ListRequest
from .._wire.keys import Credentials
from .._wire.messages import REFUSED
from .._wire.protocol import Protocol
from .following import Following
from .link import Link
from .network_machine import NetworkMachine
from .outbox import SAID, SILENT

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from types import TracebackType

    from .._wire.catalog_messages import MachineInfo
    from .._wire.handshake_messages import Welcome
    from .._wire.keys import ClientSecrets
    from .._wire.server_messages import Payload
    from .client_options import ClientOptions

    Dialer = Callable[[], Awaitable[trio.abc.Stream]]

logger: Final = logging.getLogger("am_rpc")
READY_TIMEOUT: Final = 3.0


class Client(Following):
    """Connects to a server, reconnects, and offers its source as `net`.

    Args:
        addr: `host:port`, `unix:PATH`, `ws://…` or `wss://…`, or an async function that returns a
            connected stream.
        schema: typed schema whose states the source must have; its args classes are checked here.
        machine: id of the machine to follow, where the address has several.
        id: client id, random if not given; the machine is `rc-<id>`.
        consumer: machine with the `Consumer` schema that receives payloads.
        parent: machine that disposes this one with itself.
        sync: what to follow.
        retry: when to try again.
        limits: bounds, in bytes, counts and seconds.
        ssl_context: TLS.
        secret: shared secret or `Key`, a pair of key id and secret, or several: the first is
            offered, and the next after a refusal.
        on_disconnect: `buffer` mutations while disconnected, or `cancel` them.
        on_unknown: when the server lost the session, `cancel` written mutations with
            `OutcomeUnknown`, or `resend` them, which may execute them twice.
        filter_mutations: cancel locally what the relations exclude anyway.
        handlers: final handlers for `net`.

    Use it with `async with`: it connects in the background (see `ready`) and, at the end, says
    goodbye, closes and disposes of `net`.
    """

    def __init__(
        self,
        addr: str | Dialer,
        schema: am.Schema | type[am.States] | Mapping[str, Any] | None = None,
        *,
        id: str | None = None,
        machine: str | None = None,
        consumer: am.MachineApi | None = None,
        parent: am.Machine | None = None,
        sync: Sync = Sync(),  # noqa: B008 - frozen
        retry: Retry = Retry(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        ssl_context: ssl.SSLContext | None = None,
        secret: ClientSecrets | None = None,
        on_disconnect: Literal["buffer", "cancel"] = "buffer",
        on_unknown: Literal["cancel", "resend"] = "cancel",
        filter_mutations: bool = False,
        handlers: object | None = None,
    ) -> None:
        if on_disconnect not in ("buffer", "cancel"):
            raise ValueError(f"on_disconnect: buffer or cancel, not {on_disconnect!r}")
        if on_unknown not in ("cancel", "resend"):
            raise ValueError(f"on_unknown: cancel or resend, not {on_unknown!r}")
        super().__init__(
            secrets.token_hex(8) if id is None else id,
            None if schema is None else am.compile_schema(schema),
            sync,
            limits,
            retry,
            resend_unknown=on_unknown == "resend",
            machine=machine,
        )
        if consumer is not None and "ServerPayload" not in consumer.schema:
            raise ValueError(f"consumer {consumer.id} has no state ServerPayload: see Consumer")
        self._handlers = handlers
        self.addr = addr if isinstance(addr, str) else ""
        self._dial = self._dialer(addr, ssl_context)
        self._consumer = consumer
        self.credentials = Credentials(secret)
        self._cancel_offline = on_disconnect == "cancel"
        self.filter_mutations = filter_mutations
        self._closing = False
        # The latest reason why there is no connection.
        self.last_error: RpcError | None = None
        self.mach = am.Machine(
            ClientStates,
            id=f"rc-{self.id}",
            handlers=self,
            parent=parent,
            tags=own_tags("rpc-client"),
        )
        if consumer is None:
            # There are no payloads.
            self.mach.bind({"ServerPayloadEnter": lambda event: False})
        tune(self.mach, "CLIENT")

    @staticmethod
    def _dialer(
        addr: str | Dialer, ssl_context: ssl.SSLContext | None
    ) -> Callable[[trio.Nursery], Awaitable[trio.abc.Stream]]:
        if callable(addr):
            return lambda nursery: addr()
        address = parse_address(addr)
        return lambda nursery: open_stream(address, ssl_context, nursery)

    async def ready(self, timeout: float = READY_TIMEOUT) -> NetworkMachine:  # noqa: ASYNC109
        """Wait until the replica is live and return it; `timeout` in seconds.

        Raises:
            NetworkTimeout: it took longer; the client goes on trying.
            NoAccess, VersionMismatch: the server refused for good.
            NetworkError: the client gave up.
        """
        with trio.move_on_after(timeout):
            await self.mach.when_any("Ready", "ConnRetryFailed")
        if self.mach.is_("Ready"):
            return self.net
        name, error = self.addr or "the server", self.last_error
        if error is not None and not isinstance(error, NetworkError):
            told = type(error)(f"{name}: {error}")
            told.code = error.code
            raise told from error
        if error is not None:
            why = str(error)
        elif self.mach.is_("Connected"):
            why = f"connected, but it does not answer; {HINT}"
        else:
            why = "it does not answer"
        raise NetworkTimeout(f"no connection to {name} within {timeout:g} s: {why}") from error

    def rotate(self, secret: ClientSecrets) -> None:
        """Offer other secrets from the next connection on; the one that there is goes on."""
        self.credentials = Credentials(secret)

    async def machines(self) -> tuple[MachineInfo, ...]:
        """Return the machines behind the address, this one among them; see `list_machines`.

        Raises:
            NetworkError: no answer within the total time of `Retry`.
            RpcError: the server refused, or knows no lists.
        """
        found: dict[str, MachineInfo] = {}
        after = ""
        while page := await self.call(ListRequest(after)):
            found |= {machine.id: machine for machine in page}
            if page[-1].id <= after:
                break
            after = page[-1].id
        return tuple(found.values())

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        try:
            self.mach.fork(self.watch_calls)
            self.mach.add("Start")
        except BaseException as error:
            await self.mach.__aexit__(type(error), error, error.__traceback__)
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing = True
        limits = self.limits
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.close):
                if self.link is not None:
                    await self.link.connection.say_bye("")
            if self._net is not None and not self._net.disposed:
                self._net.dispose()
            self.abandon(NotConnected("the client was closed"))
        finally:
            await self.mach.__aexit__(exc_type, exc, traceback)

    # Handlers of the client's machine.

    async def StartState(self, event: am.Event) -> None:
        """Connect, serve the connection, and connect again."""
        self.end_reason = None
        self._closing = False
        await self._stay_connected()

    def StartEnd(self, event: am.Event) -> None:
        """Nothing will be sent any more, and nothing heard."""
        self.link = None
        self.abandon(self.end_reason or NotConnected("the client was stopped"))
        if self._net is not None and not self._net.disposed:
            self._net.subscriptions.end()
            self._net.let_go()

    def ErrNetworkEnter(self, event: am.Event) -> bool:
        """Errors of a connection that is meant to end do not count."""
        if "CallRetryFailed" in event.transition.called:
            return True
        return not self.mach.any_("Disconnecting", "Disconnected")

    def CallRetryFailedState(self, event: am.Event) -> None:
        """An event."""
        self.mach.remove("CallRetryFailed")

    def ExceptionState(self, event: am.Event) -> None:
        """Log the error and go on trying."""
        logger.info("%s: %s", self.mach.id, self.mach.err)
        self.mach.remove("Exception")

    def HealthcheckState(self, event: am.Event) -> None:
        """Re-assert that one state of the connection is active."""
        group = ("Connecting", "Connected", "Disconnecting", "Disconnected")
        if not self.mach.any_(*group):
            self.mach.add("Connected" if self.link is not None else "Disconnected")
        self.mach.remove("Healthcheck")

    # Connecting.

    async def _stay_connected(self) -> None:
        retry, mach = self.retry, self.mach
        attempt, since = 0, trio.current_time()
        while not self._closing:
            if not mach.is_("Connecting"):
                mach.add("Connecting")
            ready, error = await self._connect_once()
            if ready:
                self.credentials.worked()
                attempt, since = 0, trio.current_time()
                self.stats.reconnects += 1
            self.last_error = error
            if isinstance(error, NoAccess) and self.credentials.refused():
                logger.info("%s: %s; the next secret is tried", self.mach.id, error)
                continue
            self._tell_disconnected(error)
            if self._closing or mach.disposed:
                return
            if error is not None and _is_final(error):
                self._give_up(error)
                return
            if error is None and not retry.reconnect:
                return
            attempt += 1
            if attempt >= retry.connect_tries or self._elapsed(since) >= retry.connect_total:
                self._give_up(error or NetworkError("gave up"))
                return
            mach.add("RetryingConn")
            await trio.sleep(retry.connect_pause(attempt, random.random()))

    @staticmethod
    def _elapsed(since: float) -> float:
        return trio.current_time() - since

    def _tell_disconnected(self, error: RpcError | None) -> None:
        if self.mach.disposed:
            return
        if error is not None:
            self.stats.errors += 1
            self.mach.add_err(error_state(error, ClientStates), error)
        self.mach.add("Disconnected")
        if len(self.outbox):
            self.mach.add("Buffering")

    def _give_up(self, error: RpcError) -> None:
        self.abandon(error)
        self.mach.add("ConnRetryFailed")

    async def _connect_once(self) -> tuple[bool, RpcError | None]:
        """Connect and serve the connection to its end; tell whether it was usable, and why not."""
        async with trio.open_nursery() as nursery:
            ended = await self._connect_in(nursery)
            nursery.cancel_scope.cancel()
        return ended

    async def _connect_in(self, nursery: trio.Nursery) -> tuple[bool, RpcError | None]:
        try:
            with trio.fail_after(self.retry.connect_timeout):
                stream = await self._dial(nursery)
        except trio.TooSlowError:
            return False, NetworkTimeout(f"connecting took over {self.retry.connect_timeout:g} s")
        except Exception as error:
            return False, translate(error)
        limits = self.limits
        protocol = Protocol(client=True, limits=limits)
        connection = Connection(stream, protocol, limits, self.stats)
        try:
            self.mach.add("Connected")
            with trio.fail_after(limits.handshake):
                net = await self.shake_hands(connection)
        except trio.TooSlowError:
            told = f"no answer to the handshake within {limits.handshake:g} s; {HINT}"
            return False, NetworkTimeout(told)
        except Exception as error:
            return False, translate(error)
        else:
            await self._run(Link(self, connection, net))
            return True, connection.error
        finally:
            await connection.aclose()

    async def _run(self, link: Link) -> None:
        mach = self.mach
        self.link = link
        try:
            for message in link.net.subscriptions.live():
                self.subscribe(message)
            for told in self.passing.behind():
                link.notify(told)
            mach.add("HandshakeDone")
            mach.remove("Buffering")
            self.tell_touch(True)
            await link.connection.run(link.handle)
        finally:
            self.blame = _blame(link)
            self.link = None
            link.end()
            if not mach.disposed:
                self.tell_touch(False)

    # What a link reports.

    def stop_requested(self) -> None:
        """The server wants this client to stop for good."""
        self._closing = True
        self.mach.fork(self._stop)

    async def _stop(self) -> None:
        await trio.lowlevel.checkpoint()
        self.abandon(NotConnected("the server stopped this client"))
        self.mach.remove("Start")

    def deliver(
        self, message: Payload, data: Any, answer: Callable[[RpcError | None], None]
    ) -> None:
        """Give a payload to the consumer, and to the clients behind this one that it is for."""
        is_own = message.destination in (None, self.mach.id)
        if is_own and self._consumer is None and self.passing.has_takers:
            is_own = False
        consume = partial(self.consume, message, data) if is_own else None
        self.passing.deliver(message, data, consume, answer)

    def consume(self, message: Payload, data: Any) -> None:
        """Give a payload to the consumer.

        :raises InvalidParams: if there is none, it refuses, or it fails.
        """
        consumer = self._consumer
        if consumer is None or consumer.disposed:
            raise InvalidParams("no consumer takes it", ErrorCode.BUSY)
        args = {
            "name": message.name,
            "data": data,
            "source": message.source,
            "source_tx": message.source_tx,
            "token": message.token,
        }
        before = consumer.err
        try:
            taken = bool(consumer.add("ServerPayload", **args))
            fault = consumer.err if consumer.err is not before else None
        except Exception as error:
            taken, fault = False, error
        if fault is not None:
            logger.error("%s: consumer %s failed", self.mach.id, consumer.id, exc_info=fault)
            told = f"the consumer failed: {type(fault).__name__}: {fault}"
            raise InvalidParams(told, ErrorCode.INTERNAL)
        if not taken:
            raise InvalidParams("the consumer refused it", ErrorCode.BUSY)
        self.stats.payloads += 1
        # An event; the data is the consumer's.
        self.mach.add("ServerPayload")

    def new_net(self, welcome: Welcome, schema: am.Schema) -> NetworkMachine:
        """Return the replica that the first welcome calls for."""
        own = self._own
        return NetworkMachine(
            self,
            schema,
            remote_id=welcome.id,
            remote_parent=welcome.parent,
            sync=self.sync_options,
            untracked=welcome.shape.untracked,
            args_schema=own if own is not None and own.args_classes else None,
            id=f"rnm-{self.id}",
            tags=("rpc-netmach", f"src-id:{welcome.id}"),
            handlers=self._handlers,
        )

    def accepts_offline(self) -> bool:
        """Tell whether mutations may wait for a connection."""
        return not self._cancel_offline

    async def disconnect(self) -> None:
        """Say goodbye and stop; `Start` ends, and the replica keeps its last values."""
        self._closing = True
        self.mach.add("Disconnecting")
        if self.link is not None:
            await self.link.connection.say_bye("")
        self.mach.remove("Start")


def _is_final(error: RpcError) -> bool:
    """Tell whether trying again cannot help: the server said no, or that its source is gone."""
    return isinstance(error, (NoAccess, VersionMismatch)) or error.code is ErrorCode.DISPOSED


def _blame(link: Link) -> int:
    """How far the end of a connection may be due to what was sent."""
    if link.bye is None:
        return SILENT if link.connection.peer_closed else 0
    return SAID if link.bye == REFUSED else 0


@asynccontextmanager
async def connect(
    addr: str | Dialer,
    schema: am.Schema | type[am.States] | Mapping[str, Any] | None = None,
    *,
    timeout: float = READY_TIMEOUT,  # noqa: ASYNC109 - a bound with an error of its own
    **options: Unpack[ClientOptions],
) -> AsyncIterator[NetworkMachine]:
    """Connect to a server and yield the live replica; the arguments are those of `Client`.

    Raises:
        NetworkError: no connection within `timeout` seconds.
        RpcError: the server refused, or does not fit the schema.
    """
    async with Client(addr, schema, **options) as client:
        yield await client.ready(timeout)
