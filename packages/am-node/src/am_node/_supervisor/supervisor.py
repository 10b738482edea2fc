"""`Supervisor`: starts worker processes, keeps them healthy, and gives them to clients."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Self

import trio

import am_helpers as amh
import am_machine as am
import am_rpc

from .._address import host_of, is_local, is_wildcard, join
from .._debugging import debug
from .._entry import entry_point_of, refuse_while_loading
from .._errors import PoolError
from .._launchers.base import Resources
from .._launchers.local import LocalLauncher
from .._log import log_level
from .._names import host_name, instance_name, own_name, supervisor_id
from .._own_handlers import bind_own_handlers
from .._settings import Policy, Pool, Rlimits, Timing
from .._timing import link_limits, stretch
from .._worker.worker import Worker, checked_worker
from .asked import Asked
from .health import Health
from .leases import LeaseManager
from .peers import Peers
from .pool import PoolKeeper
from .reverse_listener import ReverseListener
from .runtime_dir import runtime_directory
from .shared import Shared
from .shutdown import Shutdown
from .states import SupervisorStates
from .worker_lifecycle import WorkerLifecycle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from .._launchers.base import Launcher
    from .._status import WorkerInfo
    from .._tls import Tls

CLIENT_WRITES = frozenset({"ProvideWorker", "AwaitWorker", "WorkerIssues", "ProvideStatus"})
PEER_READS = frozenset({"Ready", "WorkersAvailable", "Draining", "Start"})
_LOOPBACK = "127.0.0.1"
_PAYLOADS = frozenset({"ClientSendPayload", "SuperSendPayload", "SendPayload"})


class Supervisor:
    """Supervises the workers of one class.

    Args:
        worker: the class, or its entry point ``module:Class`` or ``path/to/file.py:Class``.
        addr: address for clients, ``host:port`` (port 0 picks one, see `addr`) or ``unix:PATH``. By
            default a socket in a directory of this user, where `Client` and ``am-node`` look: other
            users of the host cannot connect. With `tls` it is a port of loopback.
        pool: how many workers to keep; `set_pool` changes it later.
        launcher: what starts processes; by default they are children of this one.
        worker_host: address that workers bind, for clients; by default the host of `addr`. A
            wildcard such as 0.0.0.0 is told to clients as the host that the worker is on.
        link_addr: ``host:port`` of this host that workers on other hosts dial (port 0 picks one).
        secret: what clients have to know, as in am-rpc. One that comes through a unix socket, which
            only this user can use, may drain the supervisor; others may with a key of which the
            access names `Draining`.
        tls: the certificate for every link: of clients to the supervisor and to workers, of remote
            workers to the supervisor.
        ssl_context, peer_context: replace what `tls` means for the endpoint for clients, and for
            connecting to peers; for instance to ask for client certificates.
        insecure: allow endpoints beyond this host without secret or TLS.
        peers: addresses of other supervisors, which clients of this one are told of.
        rlimits: limits of the operating system on each worker.
        resources: what each worker needs, for launchers that place workers.
        options: plain data that each worker finds as its `options`.

    Use it with ``async with``: inside, the supervisor runs; leaving kills its workers, within six
    seconds. `drain` ends them gently. A subclass adds states by ``States`` and handlers by methods.

    :raises ValueError: for a class that other processes cannot import, or an unprotected address.
    :raises NetworkError: from ``async with``, if an address cannot be listened on.
    :raises OSError: from ``async with``, if there is no directory for its sockets.
    :raises EntryPointError: from ``async with``, whose body is cancelled, if the class cannot be
        imported by a worker and no worker ever came up.
    """

    States: ClassVar[type[SupervisorStates]] = SupervisorStates

    def __init__(
        self,
        worker: type[Worker] | str,
        *,
        addr: str | None = None,
        pool: Pool = Pool(),  # noqa: B008 - frozen
        timing: Timing = Timing(),  # noqa: B008 - frozen
        policy: Policy = Policy(),  # noqa: B008 - frozen
        launcher: Launcher | None = None,
        kind: str | None = None,
        worker_host: str | None = None,
        link_addr: str = "127.0.0.1:0",
        secret: am_rpc.Secrets | None = None,
        tls: Tls | None = None,
        ssl_context: Any = None,
        peer_context: Any = None,
        insecure: bool = False,
        peers: Sequence[str] = (),
        rlimits: Rlimits = Rlimits(),  # noqa: B008 - frozen
        resources: Resources = Resources(),  # noqa: B008 - frozen
        options: Mapping[str, Any] | None = None,
        parent: am.Machine | None = None,
    ) -> None:
        self.launcher = launcher or LocalLauncher()
        self.entry = worker if isinstance(worker, str) else self._entry_of(worker)
        self.kind = kind or _kind_of(worker)
        if addr is None and (tls or ssl_context) is not None:
            addr = f"{_LOOPBACK}:0"
        self._addr = addr
        self._is_own = addr is None or addr.startswith("unix:")
        self._pool = pool
        self._timing = timing.stretched(stretch())
        self._policy = policy
        self._rlimits = rlimits
        self._resources = resources
        self._options = dict(options or {})
        self._peers = tuple(peers)
        # Where no other user may reach the supervisor, none may reach its workers.
        self._workers_near = self._is_own and worker_host is None and tls is None
        self._worker_host = worker_host or (_LOOPBACK if addr is None else host_of(addr))
        self._link_addr = link_addr
        self._tls = tls
        self._secret = secret
        self._ssl_context = ssl_context or (tls.server if tls is not None else None)
        self._peer_context = peer_context
        if peer_context is None and tls is not None and peers:
            self._peer_context = tls.peer_context()
        if is_wildcard(link_addr):
            raise ValueError(f"{link_addr} is no address that workers could dial: give one host")
        if not insecure:
            if addr is not None:
                _refuse_exposure("clients", addr, secret, self._ssl_context)
            # The context for clients cannot be handed to workers, hence does not count.
            _refuse_exposure("workers", join(self._worker_host, 0), secret, tls)
            _refuse_exposure("workers", link_addr, secret, tls)
        self.mach = am.Machine(
            self.States,
            id=supervisor_id(self.kind),
            parent=parent,
            tags=(
                "node-supervisor",
                f"kind:{self.kind}",
                f"host:{host_name()}",
                f"instance:{instance_name()}",
            ),
            log_level=log_level("SUPERVISOR"),
        )
        debug(self.mach)
        self._stack = AsyncExitStack()
        # Cancelled if there is no sense in going on.
        self._scope = trio.CancelScope()
        self._shared: Shared | None = None

    def _entry_of(self, worker: type[Worker]) -> str:
        checked_worker(worker)
        name = getattr(self.launcher, "entry_of", None)
        return str(name(worker)) if name is not None else entry_point_of(worker)

    # -- life

    async def __aenter__(self) -> Self:
        refuse_while_loading()
        await self._stack.__aenter__()
        try:
            await self._open()
        except BaseException:
            await self._stack.__aexit__(*sys.exc_info())
            raise
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        is_over = await self._stack.__aexit__(exc_type, exc, traceback)
        failure = None if self._shared is None else self._shared.failure
        if failure is not None and exc is not None and is_over:
            # The body was cancelled for it.
            raise failure from None
        return is_over

    async def _open(self) -> None:
        self._stack.enter_context(self._scope)
        directory = self._stack.enter_context(runtime_directory())
        shared = self._shared = Shared(
            mach=self.mach,
            kind=self.kind,
            entry=self.entry,
            pool=self._pool,
            timing=self._timing,
            policy=self._policy,
            launcher=self.launcher,
            rlimits=self._rlimits,
            resources=self._resources,
            options=self._options,
            directory=directory,
            worker_host="" if self._workers_near and self.launcher.same_host else self._worker_host,
            reverse_listener=None if self.launcher.same_host else self._reverse_listener(),
            tls=self._tls,
            log_level=log_level("WORKER").value,
        )
        self._pool_keeper = PoolKeeper(shared)
        self._shutdown = Shutdown(shared)
        parts = (
            self._pool_keeper,
            WorkerLifecycle(shared),
            LeaseManager(shared),
            Health(shared),
            self._shutdown,
            Asked(shared),
        )
        peers = self._peer_links = Peers(shared, self._peers, self._secret, self._peer_context)
        for part in (self, *parts, peers, Lists(shared)):
            bind_own_handlers(self.mach, part)
        await self._stack.enter_async_context(self.mach)
        if shared.reverse_listener is not None:
            await self._listen(shared.reverse_listener)
        shared.public = await self._stack.enter_async_context(self._public_mux())
        private = await self._stack.enter_async_context(self._private_mux(directory.path))
        self.addr = shared.public.addr
        self.local_addr = private.addr
        shared.give_up = self._scope.cancel
        self.mach.add("Start", public_addr=self.addr, local_addr=self.local_addr)
        for mux, state in ((shared.public, "PublicRpcReady"), (private, "LocalRpcReady")):
            amh.bind_ready(mux.mach, self.mach, state)
            amh.sync(mux.mach, self.mach, ["Ready"], [state])

    def _reverse_listener(self) -> ReverseListener:
        return ReverseListener(self._link_addr, None if self._tls is None else self._tls.server)

    async def _listen(self, reverse_listener: ReverseListener) -> None:
        try:
            await reverse_listener.open()
        except OSError as exc:
            raise am_rpc.NetworkError(
                f"{reverse_listener.addr} cannot be listened on: {exc}"
            ) from exc
        self.mach.fork(reverse_listener.serve)

    def _public_mux(self) -> am_rpc.Mux:
        followed = frozenset(self.States.names()) - _PAYLOADS
        return am_rpc.Mux(
            self.mach,
            self._addr or am_rpc.user_socket(own_name(self.kind)),
            access=am_rpc.Access(read=followed, write=self._client_writes()),
            secret=self._secret,
            ssl_context=self._ssl_context,
            payload_state="ClientSendPayload",
            limits=link_limits(self._timing.link_timeout),
            push_interval=0.05,
            new_server=self._new_client_server,
        )

    def _client_writes(self) -> frozenset[str]:
        return CLIENT_WRITES | {"Draining"} if self._is_own else CLIENT_WRITES

    def _new_client_server(
        self, mux: am_rpc.Mux, number: int, stream: trio.abc.Stream
    ) -> am_rpc.Server:
        name = f"{self.mach.id}-{number}"
        server = am_rpc.Server(self.mach, stream=stream, serving=mux.serving, name=name)
        server.mach.bind(_Comings(self.mach, server))
        return server

    def _private_mux(self, directory: Any) -> am_rpc.Mux:
        return am_rpc.Mux(
            self.mach,
            f"unix:{directory / 's'}",
            access=am_rpc.Access(read=PEER_READS, write=frozenset()),
            payload_state="SuperSendPayload",
            limits=link_limits(self._timing.link_timeout),
        )

    # -- public calls

    @property
    def pool(self) -> Pool:
        """The figures in force."""
        return self._shared.pool if self._shared is not None else self._pool

    @property
    def restarts(self) -> int:
        """How many workers died or were killed for a fault."""
        return self._opened.restarts

    @property
    def forks(self) -> int:
        """How many workers were forked."""
        return self._opened.forks

    @property
    def exit_code(self) -> int:
        """What a process that ran this supervisor should exit with: 70 if it gave up, else 0."""
        return self._shared.exit_code if self._shared is not None else 0

    @property
    def _opened(self) -> Shared:
        if self._shared is None:
            raise am.NotOpenError("the supervisor is not open: use it with `async with`")
        return self._shared

    def set_pool(self, pool: Pool) -> None:
        """Use other figures at once: missing workers are forked, surplus idle ones end."""
        self._pool = pool
        if self._shared is not None:
            self._pool_keeper.resize(pool)

    async def workers(
        self, filter: Callable[[WorkerInfo], bool] | None = None
    ) -> tuple[WorkerInfo, ...]:
        """List the workers, those that `filter` accepts.

        :raises TypeError: if `filter` is no function.
        :raises PoolError: if the supervisor is not started, or there is no answer within a second.
        """
        if filter is not None and not callable(filter):
            raise TypeError(
                f"a filter of workers is a function of a WorkerInfo, not {filter!r}: "
                "for example `lambda info: 'Ready' in info.states`"
            )
        if self.mach.not_("Start"):
            raise PoolError("the supervisor is not started")
        send, receive = trio.open_memory_channel[tuple["WorkerInfo", ...]](1)
        self.mach.add("ListWorkers", channel=send)
        with trio.move_on_after(self._timing.op_timeout):
            # Filtered here, so that what the filter raises is the caller's.
            return tuple(info for info in await receive.receive() if filter is None or filter(info))
        raise PoolError("no answer to ListWorkers in time")

    @property
    def worker_slots(self) -> Mapping[str, am.MachineApi]:
        """The supervisor's entry of each worker, by the worker's id; none before it is open.

        An entry is a machine with the states of `SlotStates`, which the supervisor mutates: check
        them, wait for them, follow them, as in ``await supervisor.worker_slots[id].when("Gone")``.
        It is disposed when the worker has ended. Each time a new mapping, of those that there are.
        """
        return {} if self._shared is None else {slot.id: slot.mach for slot in self._shared}

    async def rotate(self, secret: am_rpc.Secrets) -> None:
        """Take other secrets of clients from now on, and offer them to peers; see `am_rpc.Mux`.

        Workers are not concerned: each lease has a secret of its own.

        :raises ValueError: if there is no secret among them, or an empty one.
        """
        public = self._opened.public
        assert public is not None
        await public.rotate(secret)
        self._peer_links.rotate(secret)

    async def drain(self) -> None:
        """End gently: clients go elsewhere, running work gets its time, then workers end.

        Returns when `Start` has ended. Cancelling stops waiting, not draining.
        """
        self.mach.add("Draining")
        await self.mach.when_not("Start")

    async def restart_workers(self) -> None:
        """Replace all workers, one at a time and never below the minimum.

        Cancelling leaves those not yet replaced as they are.
        """
        await self._shutdown.roll()


class _Comings:
    """Handlers on the machine of one client's server: its coming and going are events."""

    def __init__(self, mach: am.Machine, server: am_rpc.Server) -> None:
        self._mach = mach
        self._server = server
        self._id = ""

    def HandshakeDoneState(self, e: am.Event) -> None:
        client = self._server.client
        self._id = "" if client is None else client.session.client_id
        self._mach.add("ClientConnected", id=self._id)

    def HandshakeDoneEnd(self, e: am.Event) -> None:
        self._mach.add("ClientDisconnected", id=self._id)


class Lists:
    """The handlers of `ListWorkers` and `SetWorker`."""

    def __init__(self, shared: Shared) -> None:
        self._shared = shared

    def ListWorkersState(self, e: am.Event) -> None:
        """Answer into the memory channel given."""
        self._shared.mach.remove("ListWorkers")
        accept = e.args.get("filter") or (lambda info: True)
        infos = (slot.info() for slot in self._shared)
        channel: trio.MemorySendChannel[tuple[WorkerInfo, ...]] = e.args["channel"]
        channel.send_nowait(tuple(info for info in infos if accept(info)))

    def SetWorkerState(self, e: am.Event) -> None:
        """An event for those who watch; the entries are kept by the tasks of the workers."""
        self._shared.mach.remove("SetWorker")


def _kind_of(worker: type[Worker] | str) -> str:
    return (
        worker.rpartition(":")[2].rpartition(".")[2]
        if isinstance(worker, str)
        else worker.kind_name()
    )


def _refuse_exposure(whose: str, addr: str, secret: object, tls: object) -> None:
    if not (is_local(addr) or secret or tls):
        raise ValueError(
            f"{addr}, for {whose}, is reachable from other hosts: give a secret or tls, "
            "or say insecure=True"
        )
