"""`Server`: one source for one client at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Self

import trio

import am_machine as am

from .._env import own_tags, tune
from .._errors import NetworkError, RpcError
from .._options import Access, Limits
from .._reason import reason, translate
from .._states import ServerStates, error_state
from .._transport.address import (
    accept,
    open_listener,
    parse_address,
    remove_socket_file,
)
from .acceptor import Acceptor
from .greeter import Greeter
from .handshake import PUSH_INTERVAL, PUSH_MAX_MUTATIONS, Serving, check_exposure
from .machines import OneMachine
from .payload_sender import Delivery, PayloadSender, bind_payloads, report_undelivered

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from .._stats import Stats
    from .._wire.keys import Secrets
    from .client_session import ClientSession
    from .greeter import Met
    from .machines import Catalog
    from .payload_sender import Done

logger: Final = logging.getLogger("am_rpc")


class Server:
    """Serves one source to one client at a time; another client is told that it is busy.

    Args:
        source: the machine to serve, local or itself a replica.
        addr: `host:port` (port 0 picks one, see `addr`), `unix:PATH` or `ws://…`.
        listener: a trio listener to use instead of an address.
        stream: one connected stream to serve instead; the server ends with it.
        push_interval: seconds between pushes; 0 pushes after each drain of the source, None never.
        push_max_mutations: records that are pushed early, in per-mutation mode.
        strict: refuse to listen beyond this host without TLS or secret, instead of warning.
        access: what clients may follow and mutate.
        limits: bounds, in bytes, counts and seconds.
        ssl_context: TLS for every connection.
        secret: shared secret, a `Key`, several of which each is good, or a map of key ids to those.
        allow_id: the only client id that is served.
        payload_state: state of the source whose activation sends a payload.
        origins: web pages that may connect by websocket, as `https://host`; others may not.
        parent: machine that disposes this one with itself.

    Use it with `async with`, which listens and, at the end, says goodbye and closes.

    Raises:
        ValueError: a bad address, or one that `strict` refuses.
        NetworkError: from `async with`, if the address cannot be listened on.
    """

    def __init__(
        self,
        source: am.MachineApi,
        addr: str | None = None,
        *,
        listener: trio.abc.Listener[Any] | None = None,
        stream: trio.abc.Stream | None = None,
        push_interval: float | None = PUSH_INTERVAL,
        push_max_mutations: int = PUSH_MAX_MUTATIONS,
        strict: bool = False,
        access: Access = Access(),  # noqa: B008 - frozen
        limits: Limits = Limits(),  # noqa: B008 - frozen
        ssl_context: ssl.SSLContext | None = None,
        secret: Secrets | None = None,
        allow_id: str | None = None,
        payload_state: str = "SendPayload",
        origins: Sequence[str] = (),
        parent: am.Machine | None = None,
        name: str | None = None,
        serving: Serving | None = None,
    ) -> None:
        if sum(way is not None for way in (addr, listener, stream)) != 1:
            raise ValueError("give one of addr, listener and stream")
        self.serving = serving or Serving(
            push_interval, push_max_mutations, strict, access, limits,
            ssl_context, secret, allow_id, payload_state, origins=origins,
        )  # fmt: skip
        self.source = source
        self.push_interval = self.serving.push_interval
        self.push_max_mutations = self.serving.push_max_mutations
        self.stats: Stats = self.serving.stats
        # Who shakes hands, and whether one more client may be welcomed; a mux gives its own.
        self.strangers = self.serving.strangers
        self.admit: Callable[[], bool] = _always
        # Set by a mux of several machines: all of them, and who was greeted there already; the boot
        # id of this one, which its sessions are bound to, too.
        self.catalog: Catalog = OneMachine(source)
        self.met: Met | None = None
        self.own_boot: bytes | None = None
        self.session_scope = b""
        self.client: ClientSession | None = None
        # Whether the last connection ended with the client's goodbye, instead of just ending.
        self.said_bye = False
        self.ended = trio.Event()
        self._owns_payloads = serving is None
        self._address = None if addr is None else parse_address(addr)
        if self._address is not None:
            check_exposure(self._address, self.serving)
            self.serving.is_loopback = self._address.is_local
        self._listener = listener
        self._stream = stream
        kind = None if self._address is None else self._address.kind
        greeter = Greeter(
            self.serving, self.catalog, websocket=self.serving.websocket or kind == "ws"
        )
        self._reception = Acceptor(self, greeter)
        self.postman = PayloadSender(self)
        self._opened = trio.Event()
        self._open_error: Exception | None = None
        self._payload_binding: Any = None
        self.mach = am.Machine(
            ServerStates,
            id=f"rs-{name or source.id}",
            handlers=self,
            parent=parent,
            tags=own_tags("rpc-server", f"src-id:{source.id}"),
        )
        tune(self.mach, "SERVER")

    @property
    def addr(self) -> str:
        """The address that clients connect to, with the real port; empty if there is none."""
        return "" if self._address is None else str(self._address)

    @property
    def source_id(self) -> str:
        """Id of the source."""
        return self.source.id

    @property
    def boot(self) -> bytes:
        """Boot id of the source: that of the serving object, or the one a relay was told."""
        relayed: bytes | None = getattr(self.source, "boot", None)
        return relayed or self.own_boot or self.serving.boot

    def readable(self, access: Access) -> frozenset[str] | None:
        """States a client may follow, None for all; a relay has only what it follows itself."""
        allowed = access.read
        tracked: frozenset[str] | None = getattr(self.source, "tracked", None)
        if allowed is None or tracked is None:
            return tracked if allowed is None else allowed
        return allowed & tracked

    @property
    def max_hops(self) -> int:
        """Longest chain of causes that a mutation may have."""
        return self.serving.limits.hops * 64

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        try:
            self.mach.add("Start")
            await self._opened.wait()
            if self._open_error is not None:
                told = f"cannot listen on {self._address}: {reason(self._open_error)}"
                raise NetworkError(told) from self._open_error
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
        limits = self.serving.limits
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + limits.close):
                await self.disconnect("close")
            self._unbind_payloads()
        finally:
            try:
                await self.mach.__aexit__(exc_type, exc, traceback)
            finally:
                # The machine lets an exception of the body, or a cancellation, pass through here.
                await self._close_listener()

    async def _close_listener(self) -> None:
        if self._listener is not None:
            with trio.CancelScope(shield=True):
                await self._listener.aclose()
            remove_socket_file(self._address)

    async def disconnect(self, reason: str = "close") -> None:
        """Say goodbye to the client and close its connection.

        The client reconnects by its `Retry`, unless `reason` is "stop", which ends it for good.
        """
        if self.client is not None:
            await self.client.connection.say_bye(reason)

    async def rotate(self, secret: Secrets) -> None:
        """Take other secrets from now on; see `Mux.rotate`."""
        self.serving.rotate(secret)
        await self.leave_stale()

    async def leave_stale(self) -> None:
        """Say goodbye to a client whose key is not taken any more, or opens something else."""
        client = self.client
        if client is not None and not self.serving.still_takes(client.session.key_id, client.key):
            await client.connection.say_bye("rotated")

    # Handlers of the server's machine.

    async def RpcStartingState(self, event: am.Event) -> None:
        """Open the listener."""
        try:
            if self._address is not None and self._listener is None:
                self._listener, self._address = await open_listener(self._address)
        except (OSError, ValueError) as error:
            self._open_error = error
            self._opened.set()
            self.mach.add_err("ErrNetwork", translate(error))
            return
        self._bind_payloads()
        self._opened.set()
        self.mach.add("RpcAccepting")

    def RpcAcceptingState(self, event: am.Event) -> None:
        """The listener is open."""
        self.mach.add("RpcReady")

    def RpcReadyEnter(self, event: am.Event) -> bool:
        """Only a server that listens becomes ready."""
        return self.mach.is_("RpcAccepting")

    async def RpcReadyState(self, event: am.Event) -> None:
        """Accept connections, or serve the one given."""
        if self._stream is not None:
            if self.met is not None:
                await self._reception.serve_met(self.met)
            else:
                await self._reception.serve(self._stream)
            self.ended.set()
            return
        assert self._listener is not None
        async with trio.open_nursery() as nursery:
            while (stream := await accept(self._listener)) is not None:
                nursery.start_soon(self._reception.serve, stream)

    def HandshakeDoneState(self, event: am.Event) -> None:
        """The peer is usable, so earlier errors are over."""
        self.mach.remove("Exception")

    def HandshakeDoneEnd(self, event: am.Event) -> None:
        """The client is not usable any more."""
        if self.client is not None:
            self.client.connection.close()

    def ExceptionState(self, event: am.Event) -> None:
        """Errors of a connection are states of this machine and nobody else's."""
        logger.info("%s: %s", self.mach.id, self.mach.err)

    def report(self, error: RpcError) -> None:
        """Turn an error of a connection into states of this machine."""
        self.stats.errors += 1
        self.mach.add_err(error_state(error, ServerStates), error)

    def source_disposed(self) -> None:
        """The source is gone: end the connection."""
        client = self.client
        if client is not None and not self.mach.disposed:
            self.mach.fork(client.connection.say_bye, "disposed")

    # Payloads.

    async def send_payload(
        self,
        name: str,
        data: Any,
        destination: str | None = None,
        *,
        source: str | None = None,
        source_tx: str | None = None,
    ) -> None:
        """Deliver data to the client's consumer and wait until it was taken.

        Raises:
            EncodeError: the data has no wire form.
            LimitExceeded: it is larger than `Limits.payload`, or too much waits already.
            WrongDestination: the client is not connected or not `destination`.
            DeliveryError: it was refused, or not taken in time.
        """
        posted = self.post_payload(name, data, destination, source=source, source_tx=source_tx)
        await self.settle_payload(posted)

    def post_payload(
        self,
        name: str,
        data: Any,
        destination: str | None = None,
        *,
        source: str | None = None,
        source_tx: str | None = None,
        done: Done | None = None,
    ) -> Delivery:
        """Begin to deliver a payload; raises as `send_payload`, but for what happens later.

        Its end is told in one of two ways: `settle_payload` waits for it, or `done` is called with
        None once the payload was taken, else with the `DeliveryError`; `done` must not raise.
        Payloads are posted in the order of these calls; one that is large enough to travel in
        chunks may be overtaken.
        """
        return self.postman.post(name, data, destination, source, source_tx, done)

    def cork(self) -> Callable[[], None]:
        """Keep back the answer to the mutation that is handled just now; return what sends it.

        For handlers that wake a task which may have something to send in a moment: answer and that
        leave in one write. Whatever else is sent takes the answer along, also if the handler itself
        sends it; sending it again is harmless. Outside of a handler of a mutation that the client
        made nothing is kept back.
        """
        if self.client is None:
            return _nothing
        connection = self.client.connection
        connection.cork()
        return connection.release

    async def settle_payload(self, posted: Delivery) -> None:
        """Wait until a payload that was posted without `done` was taken; raises `DeliveryError`."""
        await self.postman.settle(posted)

    def _bind_payloads(self) -> None:
        if self._owns_payloads:
            self._payload_binding = bind_payloads(
                self.source, self.serving.payload_state, self._on_send_payload
            )

    def _unbind_payloads(self) -> None:
        if self._payload_binding is not None:
            self._payload_binding.detach()
            self._payload_binding = None

    def _on_send_payload(self, event: am.Event) -> None:
        args = event.args
        if "name" not in args:
            return
        try:
            self.post_payload(
                args["name"],
                args.get("data"),
                args.get("destination"),
                source_tx=event.transition.id,
                done=self.tell_source,
            )
        except RpcError as error:
            report_undelivered(self.source, error)

    def tell_source(self, error: RpcError | None) -> None:
        """Tell the source of a payload of its own that was not delivered."""
        if error is not None:
            report_undelivered(self.source, error)


def _always() -> bool:
    """A lone server has room for its one client."""
    return True


def _nothing() -> None:
    """There is nobody to be told."""
