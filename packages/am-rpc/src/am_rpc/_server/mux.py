"""`Mux`: one listener, a server of its own for each client."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self

import trio

import am_machine as am

from .._env import own_tags, tune
from .._errors import ErrorCode, NetworkError, RpcError
from .._options import Access, Limits
from .._reason import reason
from .._states import MuxStates
from .._transport.address import accept, open_listener, parse_address, remove_socket_file, start_tls
from .._transport.driver import Connection
from .._wire.protocol import Protocol
from .handshake import PUSH_INTERVAL, PUSH_MAX_MUTATIONS, Serving, check_exposure, turn_away
from .payload_sender import away, bind_payloads, report_undelivered
from .server import Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from .._stats import Stats
    from .._wire.keys import Secrets
    from .payload_sender import Delivery

logger: Final = logging.getLogger("am_rpc")
MAX_CLIENTS: Final = 4096
_MAX_TURNED_AWAY: Final = 64


class Mux:
    """Serves a source to many clients at one address.

    Args:
        source: the machine to serve; None if `new_server` chooses.
        addr: `host:port` (port 0 picks one, see `addr`), `unix:PATH` or `ws://…`.
        listener: a trio listener to use instead of an address.
        new_server: factory `(mux, connection number, stream) -> Server`; raising refuses the peer.
        max_clients: clients at once; who still shakes hands is bounded by `Limits.strangers`.

    The others are those of `Server` and hold for each client.

    Use it with `async with`, which listens and, at the end, says goodbye to all clients.

    Raises:
        ValueError: a bad address, or one that `strict` refuses.
        NetworkError: from `async with`, if the address cannot be listened on.
    """

    def __init__(
        self,
        source: am.MachineApi | None,
        addr: str | None = None,
        *,
        listener: trio.abc.Listener[Any] | None = None,
        new_server: Callable[[Mux, int, trio.abc.Stream], Server] | None = None,
        max_clients: int = MAX_CLIENTS,
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
    ) -> None:
        if source is None and new_server is None:
            raise ValueError("give a source or new_server")
        if (addr is None) == (listener is None):
            raise ValueError("give one of addr and listener")
        self.serving = Serving(
            push_interval, push_max_mutations, strict, access, limits,
            ssl_context, secret, allow_id, payload_state, origins=origins,
        )  # fmt: skip
        self.source = source
        self.servers: dict[int, Server] = {}
        self.stats: Stats = self.serving.stats
        self._address = None if addr is None else parse_address(addr)
        if self._address is not None:
            check_exposure(self._address, self.serving)
            self.serving.websocket = self._address.kind == "ws"
            self.serving.is_loopback = self._address.is_local
        self._listener = listener
        self._new_server = new_server or _serve_same
        self._max_clients = max_clients
        self._connections = 0
        # Numbers of connections whose client was let in.
        self._clients: set[int] = set()
        self._turning_away = 0
        self._number = 0
        self._empty: trio.Event | None = None
        self._payload_binding: Any = None
        source_id = "" if source is None else source.id
        self.mach = am.Machine(
            MuxStates,
            id=f"rm-{name or source_id or 'mux'}",
            handlers=self,
            parent=parent,
            tags=own_tags("rpc-mux", f"src-id:{source_id}"),
        )
        tune(self.mach, "MUX")

    @property
    def addr(self) -> str:
        """The address that clients connect to, with the real port."""
        return "" if self._address is None else str(self._address)

    @property
    def source_id(self) -> str:
        """Id of the source; empty if a factory chooses it."""
        return "" if self.source is None else self.source.id

    @property
    def push_interval(self) -> float | None:
        """Seconds between pushes; setting it changes all servers."""
        return self.serving.push_interval

    @push_interval.setter
    def push_interval(self, seconds: float | None) -> None:
        self.serving.push_interval = seconds
        for server in self.servers.values():
            server.push_interval = seconds

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        try:
            if self._listener is None:
                assert self._address is not None
                try:
                    self._listener, self._address = await open_listener(self._address)
                except (OSError, ValueError) as error:
                    told = f"cannot listen on {self._address}: {reason(error)}"
                    raise NetworkError(told) from error
            if self.source is not None:
                self._payload_binding = bind_payloads(
                    self.source, self.serving.payload_state, self._on_send_payload
                )
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
        if self._payload_binding is not None:
            self._payload_binding.detach()
        await self._close_listener()
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self._close_time):
                await self._disconnect_all("close")
        finally:
            await self.mach.__aexit__(exc_type, exc, traceback)

    @property
    def _close_time(self) -> float:
        return self.serving.limits.close

    async def _close_listener(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            with trio.CancelScope(shield=True):
                await listener.aclose()
            remove_socket_file(self._address)

    async def _disconnect_all(self, reason: str) -> None:
        async with trio.open_nursery() as nursery:
            for server in tuple(self.servers.values()):
                nursery.start_soon(server.disconnect, reason)

    async def stop(self) -> None:
        """Tell all clients to stop for good: their `Start` ends, they do not reconnect."""
        await self._close_listener()
        await self._disconnect_all("stop")

    async def drain(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109 - a bound, not an error
        """Stop accepting, send clients elsewhere and wait until they left, at most `timeout` s."""
        await self._close_listener()
        with trio.move_on_after(timeout):
            await self._disconnect_all("drain")
            while self.servers:
                self._empty = trio.Event()
                await self._empty.wait()

    async def rotate(self, secret: Secrets) -> None:
        """Take other secrets from now on, in place of those before.

        Give the old one and the new one until every client has the new one, then the new one
        alone. Clients whose key is still taken, with the same rights, notice nothing. The others
        are told goodbye: who has another good one comes back with its session, so nothing is lost.

        Raises:
            ValueError: there is no secret among them, or an empty one.
        """
        self.serving.rotate(secret)
        async with trio.open_nursery() as nursery:
            for server in tuple(self.servers.values()):
                nursery.start_soon(server.leave_stale)

    # Handlers of the mux's machine.

    async def StartState(self, event: am.Event) -> None:
        """Accept connections."""
        self.mach.add("Ready")
        listener = self._listener
        if listener is None:
            return
        async with trio.open_nursery() as nursery:
            while (stream := await accept(listener)) is not None:
                self._number += 1
                if len(self._clients) >= self._max_clients:
                    await self._turn_away(nursery, stream)
                else:
                    self._connections += 1
                    nursery.start_soon(self._serve, self._number, stream)

    def ClientConnectedState(self, event: am.Event) -> None:
        """An event."""
        self.mach.add("HasClients")
        self.mach.remove("ClientConnected")

    def HasClientsExit(self, event: am.Event) -> bool:
        """Cannot end while there are clients, unless everything ends."""
        return not self._connections or not event.machine.is_("Start") or self._ends_start(event)

    @staticmethod
    def _ends_start(event: am.Event) -> bool:
        return "Start" not in event.transition.target

    def ExceptionState(self, event: am.Event) -> None:
        """The mux goes on as long as it listens."""
        logger.info("%s: %s", self.mach.id, self.mach.err)
        if self._listener is not None:
            self.mach.remove("Exception")
            self.mach.add("Ready")

    # Connections.

    async def _turn_away(self, nursery: trio.Nursery, stream: trio.abc.Stream) -> None:
        self.mach.add("Full")
        if self._turning_away >= _MAX_TURNED_AWAY:
            await trio.aclose_forcefully(stream)
            return
        self._turning_away += 1
        nursery.start_soon(self._be_polite, stream)

    async def _be_polite(self, stream: trio.abc.Stream) -> None:
        limits = self.serving.limits
        try:
            with trio.move_on_after(1):
                if self.serving.ssl_context is not None:
                    stream = await start_tls(stream, self.serving.ssl_context, server_side=True)
                connection = Connection(
                    stream, Protocol(client=False, limits=limits), limits, self.stats
                )
                await turn_away(connection, ErrorCode.BUSY, "too many clients")
        except Exception:
            logger.debug("a client that was one too many broke off", exc_info=True)
        finally:
            self._turning_away -= 1
            await trio.aclose_forcefully(stream)

    async def _serve(self, number: int, stream: trio.abc.Stream) -> None:
        try:
            server = self._make_server(number, stream)
            if server is None:
                await self._be_refused(stream)
                return
            server.strangers = self.serving.strangers
            server.admit = partial(self._admit, number)
            self.servers[number] = server
            async with server:
                self.mach.add("ClientConnected")
                await server.ended.wait()
        except Exception as error:
            # Whatever went wrong with one client, the others and the listener go on.
            logger.exception("%s: a connection failed", self.mach.id)
            self.mach.add_err(error)
        finally:
            self.servers.pop(number, None)
            self._clients.discard(number)
            self._connections -= 1
            self._has_room()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    def _admit(self, number: int) -> bool:
        if len(self._clients) >= self._max_clients:
            self.mach.add("Full")
            return False
        self._clients.add(number)
        return True

    def _has_room(self) -> None:
        if self.mach.disposed:
            return
        if len(self._clients) < self._max_clients and self.mach.is_("Full"):
            self.mach.remove("Full")
        if not self._connections:
            self.mach.remove("HasClients")
        if not self.servers and self._empty is not None:
            self._empty.set()

    def _make_server(self, number: int, stream: trio.abc.Stream) -> Server | None:
        try:
            return self._new_server(self, number, stream)
        except Exception as error:
            logger.info("%s: the factory refused a client: %r", self.mach.id, error)
            self.mach.add("NewServerErr", err=error)
            return None

    async def _be_refused(self, stream: trio.abc.Stream) -> None:
        self._turning_away += 1
        await self._be_polite(stream)

    # Payloads.

    async def send_payload(
        self, name: str, data: Any, destination: str | None = None, *, source_tx: str | None = None
    ) -> None:
        """Deliver data to the consumer of client `destination`, or of every client.

        Raises:
            WrongDestination: no client has this id.
            DeliveryError, EncodeError, LimitExceeded: as `Server.send_payload`.
        """
        posted = [
            (server, server.post_payload(name, data, source_tx=source_tx))
            for server in self._addressed(name, data, destination, source_tx)
        ]
        errors: list[RpcError] = []

        async def settle(server: Server, one: Delivery) -> None:
            try:
                await server.settle_payload(one)
            except RpcError as error:
                errors.append(error)

        async with trio.open_nursery() as nursery:
            for server, one in posted:
                nursery.start_soon(settle, server, one)
        if errors:
            raise errors[0]

    def _addressed(
        self, name: str, data: Any, destination: str | None, source_tx: str | None
    ) -> list[Server]:
        """Return the servers of `destination`, or of all; a payload for who is away is kept."""
        found = [
            server
            for server in self.servers.values()
            if server.client is not None and destination in (None, server.client.session.client_id)
        ]
        if not found and destination is not None:
            raise away(self, name, data, destination, source_tx)
        return found

    def _on_send_payload(self, event: am.Event) -> None:
        args = event.args
        if "name" not in args:
            return
        assert self.source is not None
        name, data, source_tx = args["name"], args.get("data"), event.transition.id
        try:
            for server in self._addressed(name, data, args.get("destination"), source_tx):
                server.post_payload(name, data, source_tx=source_tx, done=server.tell_source)
        except RpcError as error:
            report_undelivered(self.source, error)


def _serve_same(mux: Mux, number: int, stream: trio.abc.Stream) -> Server:
    assert mux.source is not None
    return Server(
        mux.source,
        stream=stream,
        parent=None,
        name=f"{mux.source.id}-{number}",
        serving=mux.serving,
    )
