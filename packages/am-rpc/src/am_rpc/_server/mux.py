"""`Mux`: one listener, a server of its own for each client."""

from __future__ import annotations

import logging
import secrets
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Self, cast
from weakref import WeakKeyDictionary

import trio

import am_machine as am

from .._env import own_tags, tune
from .._errors import NetworkError, NetworkTimeout
from .._options import Access, Limits
from .._reason import reason, translate
from .._states import MuxStates
from .._transport.address import accept, open_listener, parse_address, remove_socket_file
from .admission import Admission
from .greeter import Greeter
from .handshake import PUSH_INTERVAL, PUSH_MAX_MUTATIONS, Serving, check_exposure
from .machines import Machines, OneMachine
from .mux_payloads import MuxPayloads
from .server import Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Sequence
    from types import TracebackType

    from .._stats import Stats
    from .._wire.keys import Secrets
    from .greeter import Met
    from .machines import Chooser

    NewServer = Callable[["Mux", int, trio.abc.Stream], Server]

logger: Final = logging.getLogger("am_rpc")
MAX_CLIENTS: Final = 4096


class Mux:
    """Serves a source, or many of them by their ids, to many clients at one address.

    Args:
        source: the machine to serve; or several, of which a client names one; or a function of a
            machine id and the `Caller` that finds it, or returns None; None if `new_server`
            chooses.
        children: serve living submachines, too, whose ids must be unique.
        addr: `host:port` (port 0 picks one, see `addr`), `unix:PATH` or `ws://…`.
        listener: a trio listener to use instead of an address.
        new_server: factory `(mux, connection number, stream) -> Server`; raising refuses the peer.
        max_clients: clients at once; who still shakes hands is bounded by `Limits.strangers`.

    The others are those of `Server` and hold for each client.

    Use it with `async with`, which listens and, at the end, says goodbye to all clients.

    Raises:
        ValueError: a bad address, or one that `strict` refuses; two machines with one id.
        NetworkError: from `async with`, if the address cannot be listened on.
    """

    def __init__(
        self,
        source: am.MachineApi | Iterable[am.MachineApi] | Chooser | None,
        addr: str | None = None,
        *,
        listener: trio.abc.Listener[Any] | None = None,
        new_server: NewServer | None = None,
        children: bool = False,
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
        self.source = cast("am.MachineApi", source) if _is_machine(source) else None
        self._machines = _several(source, self.source, children=children)
        if self._machines is not None and new_server is not None:
            raise ValueError("new_server chooses one source: give no several machines")
        self.servers: dict[int, Server] = {}
        self.stats: Stats = self.serving.stats
        self._address = None if addr is None else parse_address(addr)
        if self._address is not None:
            check_exposure(self._address, self.serving)
            self.serving.websocket = self._address.kind == "ws"
            self.serving.is_loopback = self._address.is_local
        self._listener = listener
        # What clients choose from, if there is no factory.
        self._catalog = self._machines or OneMachine(cast("am.MachineApi", self.source))
        self._greeter = Greeter(self.serving, self._catalog, websocket=self.serving.websocket)
        # Boot ids of several machines, for as long as each of them lives.
        self._boots: WeakKeyDictionary[Any, bytes] = WeakKeyDictionary()
        self._new_server = new_server
        self._number = 0
        self._empty: trio.Event | None = None
        source_id = self.source_id
        self.mach = am.Machine(
            MuxStates,
            id=f"rm-{name or source_id or 'mux'}",
            handlers=self,
            parent=parent,
            tags=own_tags("rpc-mux", f"src-id:{source_id}"),
        )
        tune(self.mach, "MUX")
        self._admission = Admission(self.serving, self.mach, max_clients)
        self._payloads = MuxPayloads(
            self.mach.id,
            self.serving,
            self.servers.values,
            None if self._machines is None else self._boots.get,
        )

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
                self._payloads.hear(self.source)
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
        self._payloads.leave_all()
        await self._close_listener()
        try:
            with trio.CancelScope(shield=True, deadline=trio.current_time() + self._close_time):
                await self._disconnect_all("close")
        finally:
            await self.mach.__aexit__(exc_type, exc, traceback)

    @property
    def _close_time(self) -> float:
        return self.serving.limits.close

    # Several machines.

    @property
    def machines(self) -> tuple[am.MachineApi, ...]:
        """The machines that were given, without their submachines."""
        if self._machines is not None:
            return self._machines.own
        return () if self.source is None else (self.source,)

    def serve(self, machine: am.MachineApi) -> None:
        """Serve one more machine from now on.

        Raises:
            ValueError: this mux serves one source, or has a machine of this id.
        """
        if self._machines is None:
            raise ValueError(f"{self.mach.id} serves one source; give it a list")
        self._machines.add(machine)

    async def withdraw(self, machine_id: str) -> None:
        """Serve a machine no longer, and say goodbye to its clients; an unknown id is ignored."""
        machine = None if self._machines is None else self._machines.remove(machine_id)
        if machine is None:
            return
        self._payloads.leave(machine)
        async with trio.open_nursery() as nursery:
            for server in tuple(self.servers.values()):
                if server.source is machine:
                    nursery.start_soon(server.disconnect, "withdrawn")

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
                if self._admission.is_full:
                    await self._admission.turn_away(nursery, stream)
                else:
                    self._admission.connections += 1
                    nursery.start_soon(self._serve, self._number, stream)

    def ClientConnectedState(self, event: am.Event) -> None:
        """An event."""
        self.mach.add("HasClients")
        self.mach.remove("ClientConnected")

    def HasClientsExit(self, event: am.Event) -> bool:
        """Cannot end while there are clients, unless everything ends."""
        return (
            not self._admission.connections
            or not event.machine.is_("Start")
            or self._ends_start(event)
        )

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

    async def _serve(self, number: int, stream: trio.abc.Stream) -> None:
        try:
            if self._new_server is None:
                await self._serve_chosen(number, stream)
                return
            server = self._make_server(self._new_server, number, stream)
            if server is None:
                await self._admission.refuse(stream)
                return
            await self._run(number, server)
        except Exception as error:
            # Whatever went wrong with one client, the others and the listener go on.
            logger.exception("%s: a connection failed", self.mach.id)
            self.mach.add_err(error)
        finally:
            self.servers.pop(number, None)
            self._admission.leave(number)
            if not self.servers and self._empty is not None:
                self._empty.set()
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _run(self, number: int, server: Server) -> None:
        server.strangers = self.serving.strangers
        server.admit = partial(self._admission.admit, number)
        self.servers[number] = server
        async with server:
            self.mach.add("ClientConnected")
            await server.ended.wait()

    async def _serve_chosen(self, number: int, stream: trio.abc.Stream) -> None:
        """Serve the machine that a client asks for.

        Only once it did a server is made: strangers that never say a word shall cost little.
        """
        if not self.serving.websocket:
            await self._serve_met(number, await self._meet(stream, None))
            return
        async with trio.open_nursery() as nursery:
            await self._serve_met(number, await self._meet(stream, nursery))
            nursery.cancel_scope.cancel()

    async def _serve_met(self, number: int, met: Met | None) -> None:
        if met is None:
            return
        try:
            await self._run(number, self._server_of(number, met))
        finally:
            self.servers.pop(number, None)
            self._left(met.greeted.source)
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(met.connection.stream)

    async def _meet(self, stream: trio.abc.Stream, nursery: trio.Nursery | None) -> Met | None:
        """Greet a client; None if it is not let in, or only asked which machines there are."""
        serving = self.serving
        scope = serving.strangers.enter()
        error: Exception | None = None
        try:
            with scope, trio.fail_after(serving.limits.handshake):
                return await self._greeter.meet(stream, nursery)
            self.stats.strangers_evicted += 1
        except trio.TooSlowError:
            error = NetworkTimeout(f"handshake took longer than {serving.limits.handshake:g} s")
        except Exception as fault:
            error = translate(fault)
        finally:
            serving.strangers.leave(scope)
        if error is not None:
            self.stats.errors += 1
            logger.info("%s: %s", self.mach.id, error)
        return None

    def _server_of(self, number: int, met: Met) -> Server:
        source = met.greeted.source
        server = Server(
            source,
            stream=met.connection.stream,
            name=f"{source.id}-{number}",
            serving=self.serving,
        )
        server.met, server.catalog = met, self._catalog
        if self._machines is not None:
            boot = self._boots.setdefault(source, secrets.token_bytes(8))
            server.own_boot = server.session_scope = boot
        self._payloads.hear(source)
        return server

    def _left(self, source: am.MachineApi) -> None:
        """Let go of a source that nobody follows any more, unless it stays with this mux."""
        followed = any(server.source is source for server in self.servers.values())
        if not followed and source not in self.machines:
            self._payloads.leave(source)

    def _make_server(
        self,
        factory: NewServer,
        number: int,
        stream: trio.abc.Stream,
    ) -> Server | None:
        try:
            return factory(self, number, stream)
        except Exception as error:
            logger.info("%s: the factory refused a client: %r", self.mach.id, error)
            self.mach.add("NewServerErr", err=error)
            return None

    # Payloads.

    async def send_payload(
        self, name: str, data: Any, destination: str | None = None, *, source_tx: str | None = None
    ) -> None:
        """Deliver data to the consumer of client `destination`, or of every client.

        Raises:
            WrongDestination: no client has this id.
            DeliveryError, EncodeError, LimitExceeded: as `Server.send_payload`.
        """
        await self._payloads.send(name, data, destination, source_tx)


def _is_machine(source: object) -> bool:
    return isinstance(source, am.BaseMachine) or hasattr(source, "schema")


def _several(source: Any, one: am.MachineApi | None, *, children: bool) -> Machines | None:
    """Return the machines to choose from, None where there is no choice."""
    if one is not None:
        return Machines((one,), children=True) if children else None
    return None if source is None else Machines(source, children=children)
