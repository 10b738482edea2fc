"""The life of one worker: its two servers, its report to the bootstrap, its end.

The host knows processes no better than its caller does, so the same code serves a worker process
and a worker inside a test.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from contextlib import nullcontext
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

from .._debugging import debug
from .._errors import BootError, NodeError
from .._own_handlers import bind_own_handlers
from .._timing import WorkerTiming, link_limits
from .._wire_work import WORKER_ENDS, WORKER_ERROR, error_answer
from .._worker_states import BootstrapStates
from .client_session import ClientSession
from .lifeline import EXIT_ORPHANED
from .work_flow import WorkFlow

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from .._boot import BootConfig
    from .answer_sender import Done
    from .far_links import FarLinks
    from .worker import Worker

# What a supervisor may do to a worker over the private link.
SUPERVISOR_WRITES = frozenset({"ServeClient", "LeaseEnding", "Healthcheck", "Draining", "Start"})
_UNFOLLOWED = frozenset({"ClientSendPayload", "SuperSendPayload", "SendPayload"})

_NEWS_INTERVAL = 0.1
_MOST_NEWS = 16

_log = logging.getLogger("am_node")


class WorkerHost:
    """Runs `worker` as `config` says. `serve` returns when the worker has ended."""

    def __init__(self, worker: Worker, config: BootConfig) -> None:
        self._worker = worker
        self._config = config
        self.timing = WorkerTiming(config.timing)
        worker.options = MappingProxyType(dict(config.options))
        self.mach = worker.mach = am.Machine(
            worker.States,
            id=config.worker_id,
            tags=("node-worker", f"kind:{config.kind}"),
            log_level=am.LogLevel(min(max(config.log_level, 0), 5)),
        )
        debug(self.mach)
        self.flow = worker._flow = WorkFlow(worker, self.mach, self.timing, self)
        bind_own_handlers(self.mach, worker)
        self.mach.bind(self.flow)
        self.mach.bind(self)
        self._client_session: ClientSession | None = None
        # The private connections whose other end has proved to be the supervisor.
        self._supers: dict[int, am_rpc.Server] = {}
        # Errors of this worker that its supervisor does not know of yet.
        self._news: deque[dict[str, str]] = deque(maxlen=_MOST_NEWS)
        self._drained = False
        # Set when the private link was gone for too long and there is no other lifeline.
        self.orphaned = trio.Event()
        self._far: FarLinks | None = None
        if config.tls or not config.local_addr:
            # Its imports would delay the start of all others.
            from .far_links import FarLinks

            self._far = FarLinks(config)

    @property
    def exit_code(self) -> int:
        """What the worker's process should exit with after `serve` returned."""
        return EXIT_ORPHANED if self.orphaned.is_set() else 0

    async def serve(self) -> None:
        """Come up, report, serve until `Start` ends.

        :raises BootError: if the bootstrap cannot be reached or refuses.
        :raises NodeError: if the worker stopped by itself.
        """
        async with self.mach:
            self.mach.add("Start")
            async with (
                self._private_mux() as private,
                self._public_mux(self._config.public_addr, is_near=False) as public,
                self._near_mux(),
            ):
                self._pipe(private, public)
                self.mach.add("Ready")
                if not self._config.lifeline:
                    self.mach.fork(self._mind_the_link)
                await self._report(private.addr or self._config.bootstrap, public.addr)
                await self.mach.when_not("Start")
        if not self._drained:
            raise NodeError("the worker stopped without being drained")

    def _pipe(self, private: am_rpc.Mux, public: am_rpc.Mux) -> None:
        amh.bind_ready(private.mach, self.mach, "LocalRpcReady")
        amh.bind_ready(public.mach, self.mach, "PublicRpcReady")
        self.mach.add("LocalRpcReady", "PublicRpcReady")

    def drain(self) -> None:
        """Finish the running work, accept nothing new, then end."""
        self.mach.add("Draining")

    @property
    def longest_block(self) -> float:
        """Seconds that the event loop may block: by then an orphan would have ended itself."""
        return self._silence + self.timing.remote_orphan_timeout + self.timing.orphan_grace

    async def _mind_the_link(self) -> None:
        """End this worker when the private link is gone for too long: nobody else would."""
        while True:
            with trio.move_on_after(self.timing.remote_orphan_timeout) as gone:
                await self.mach.when("SuperConnected")
            if gone.cancelled_caught:
                _log.error("no supervisor for %g s", self.timing.remote_orphan_timeout)
                self.orphaned.set()
                self.drain()
                return
            await self.mach.when_not("SuperConnected")

    @property
    def _silence(self) -> float:
        return max(self._worker.link_timeout or 0.0, self.timing.link_timeout)

    def _private_mux(self) -> am_rpc.Mux:
        config = self._config
        return am_rpc.Mux(
            self.mach,
            config.local_addr or None,
            listener=None if self._far is None or config.local_addr else self._far.listener(),
            secret=self._config.link_token,
            limits=link_limits(self._silence),
            new_server=self._new_super_server,
            allow_id=self._config.super_id,
            access=am_rpc.Access(read=self._readable(), write=SUPERVISOR_WRITES),
            # The first change is seen at once; a busy worker's many changes cost ten pushes a
            # second.
            push_interval=_NEWS_INTERVAL,
            payload_state="SuperSendPayload",
            max_clients=4,
        )

    def _near_mux(self) -> AbstractAsyncContextManager[object]:
        """The same client may come by a shorter way, if it is on this host."""
        near = self._config.near_addr
        return self._public_mux(near, is_near=True) if near else nullcontext()

    def _public_mux(self, addr: str, *, is_near: bool) -> am_rpc.Mux:
        return am_rpc.Mux(
            None,
            addr,
            new_server=self._new_client_server,
            ssl_context=None if self._far is None or is_near else self._far.server_tls,
            limits=link_limits(self._silence, payload_timeout=self.timing.delivery_timeout),
            max_clients=16,
        )

    def _new_super_server(
        self, mux: am_rpc.Mux, number: int, stream: trio.abc.Stream
    ) -> am_rpc.Server:
        name = f"{self.mach.id}-super-{number}"
        server = am_rpc.Server(self.mach, stream=stream, serving=mux.serving, name=name)
        server.mach.bind(_SuperDoor(self.mach, self._supers, number, server))
        return server

    def _readable(self) -> frozenset[str]:
        return frozenset(self._worker.States.names()) - _UNFOLLOWED

    # -- the bootstrap

    async def _report(self, local: str, public: str) -> None:
        args: dict[str, Any] = {"id": self.mach.id, "local_addr": local, "public_addr": public}
        if self._worker.link_timeout is not None:
            args["link_timeout"] = self._worker.link_timeout
        config = self._config
        far = self._far
        way = config.bootstrap if far is None or config.local_addr else far.call_for_report
        try:
            async with am_rpc.connect(
                way, BootstrapStates, secret=config.token, timeout=self.timing.conn_timeout
            ) as net:
                outcome = await net.add("WorkerAddr", **args)
        except am_rpc.RpcError as exc:
            raise BootError(f"the bootstrap cannot be reached: {exc}") from exc
        if outcome is not am.EXECUTED:
            raise BootError("the bootstrap refused the report")

    # -- the client

    def ServeClientEnter(self, e: am.Event) -> bool:
        """Take only plausible values: an id with a token, or neither."""
        name, token = e.args.get("id"), e.args.get("token")
        return isinstance(name, str) and isinstance(token, bytes) and bool(name) == bool(token)

    def ServeClientState(self, e: am.Event) -> None:
        """From now on accept only this client; what the one before it had asked for is dropped."""
        self.mach.remove("ServeClient")
        before, self._client_session = self._client_session, None
        if before is not None:
            before.leave(self.mach)
            self.flow.drop()
        self.mach.remove("ClientConnected", "ClientLeft", "LeaseEnding")
        if e.args["id"]:
            grace = max(0.0, self.timing.lease_grace - self._silence)
            self._client_session = ClientSession(e.args["id"], e.args["token"], grace)
        elif before is not None and not self._worker.reuse:
            self.mach.add("Draining")

    def LeaseEndingEnter(self, e: am.Event) -> bool:
        """Agree if there is a lease, which was unused for `idle` seconds if that is given."""
        idle = e.args.get("idle")
        if self._client_session is None:
            return False
        if idle is None:
            return True
        # Whoever is not there yet has had no time to ask for anything.
        came = self.mach.is_("ClientConnected")
        return came and type(idle) in {int, float} and self.flow.idle_for(idle)

    def LeaseEndingState(self, e: am.Event) -> None:
        """What was not begun goes back to the client, which gives it to another worker."""
        self.flow.give_back()

    def _new_client_server(
        self, mux: am_rpc.Mux, conn_id: int, stream: trio.abc.Stream
    ) -> am_rpc.Server:
        if self._client_session is None:
            raise PermissionError("no client is expected")
        access = am_rpc.Access(read=self._readable(), write=self._worker.writable_states())
        return self._client_session.server(self.mach, mux, stream, access)

    def post(self, name: str, data: Any, done: Done) -> bool:
        """Send a payload to the client at once; `done` is told what became of it.

        False if nobody is connected.
        """
        return self._client_session is not None and self._client_session.post(name, data, done)

    def cork(self) -> Callable[[], None] | None:
        """Keep back the outcome of the request that is handled just now; returns what sends it."""
        return None if self._client_session is None else self._client_session.cork()

    # -- the end

    async def DrainingState(self, e: am.Event) -> None:
        """Let the running work end within the time allowed, then stop."""
        self._drained = True
        with trio.move_on_after(self.timing.drain_timeout):
            await self.mach.when("Idle")
        await self._let_the_client_go()
        await self._say_that_it_ends()
        self.mach.remove("Start")

    async def _let_the_client_go(self) -> None:
        """Refuse what is on its way until the client has left, which sees that this one drains."""
        with trio.move_on_after(self.timing.conn_timeout):
            await self.mach.when_not("ClientConnected")

    async def _say_that_it_ends(self) -> None:
        """Make the end a planned one for the supervisor, which may be gone."""
        with trio.move_on_after(self.timing.conn_timeout):
            for server in tuple(self._supers.values()):
                with contextlib.suppress(am_rpc.RpcError):
                    await server.send_payload(WORKER_ENDS, {})

    def ExceptionState(self, e: am.Event) -> None:
        """Tell the supervisor of every error that is not the work's own."""
        own = {"ErrWork", "ErrWorkTimeout", "ErrOnClient", "ErrSendPayload"}
        if own & set(e.transition.called) or self.flow.failed(e):
            self.mach.remove("Exception")
            return
        exc = self.mach.err
        _log.error("error in worker %s", self.mach.id, exc_info=exc)
        if exc is not None:
            self._news.append(error_answer(exc)["error"])
        self.mach.remove("Exception")
        self._tell_news()

    def SuperConnectedState(self, e: am.Event) -> None:
        """The supervisor gets to know of errors that came before it did."""
        self._tell_news()

    def _tell_news(self) -> None:
        while self._news and self.mach.is_("SuperConnected", "LocalRpcReady"):
            self.mach.add("SuperSendPayload", name=WORKER_ERROR, data=self._news.popleft())


class _SuperDoor:
    """Handlers on the machine of one private connection's server.

    A connection alone says nothing: only whoever passed the handshake is the supervisor.
    """

    def __init__(
        self,
        mach: am.Machine,
        supers: dict[int, am_rpc.Server],
        number: int,
        server: am_rpc.Server,
    ) -> None:
        self._mach = mach
        self._supers = supers
        self._number = number
        self._server = server

    def HandshakeDoneState(self, e: am.Event) -> None:
        self._supers[self._number] = self._server
        self._mach.add("SuperConnected")

    def HandshakeDoneEnd(self, e: am.Event) -> None:
        self._supers.pop(self._number, None)
        if not self._supers and not self._mach.disposed:
            self._mach.remove("SuperConnected")
