"""`Client`: gets workers from a supervisor and delegates work to them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import trio

import am_helpers as amh
import am_machine as am

from .._debugging import debug
from .._errors import NodeError, NoWorkers, SupervisorLost, WorkTimeout
from .._log import log_level
from .._names import client_id, host_name, instance_name
from .._own_handlers import bind_own_handlers
from .._status import PoolStatus
from .._wire_work import LEASE_ENDED, PROVIDE, STATUS
from .._worker.worker import Worker, checked_worker
from .call_options import checked_names, checked_timeout
from .discovery import Discovery, as_discovery
from .link_pool import LinkPool
from .map import Inputs, Mapper, Results
from .request import Request
from .states import ClientStates
from .supervisor_link import SupervisorLink

if TYPE_CHECKING:
    from types import TracebackType

    import am_rpc

TIMEOUT = 60.0
ATTEMPTS = 3
_MAX_NODES = 1000


class Client:
    """Delegates work to the workers of one kind.

    Args:
        name: what this client is called in ids.
        worker: the worker class, a `States` class with its schema, or None (no schema at hand).
        supers: addresses of supervisors, or a `Discovery` of them; by default the supervisors of
            this kind that this user runs on this host.
        kind: the kind of the workers; by default the class's.
        workers: how many workers to hold outside of `map`.
        keep: hold workers that are not used, up to this client's share, though others wait.
        rotate: seconds after which an unused client looks for another supervisor.
        secret, ssl_context: as of `am_rpc.Client`.

    Use it with ``async with``; leaving says goodbye to worker and supervisor. A subclass adds
    states by ``States`` and handlers by methods.

    :raises ValueError: without an address.
    """

    States: ClassVar[type[ClientStates]] = ClientStates

    def __init__(
        self,
        name: str,
        worker: type[Worker] | type[am.States] | None = None,
        *,
        supers: Iterable[str] | Discovery | None = None,
        kind: str | None = None,
        workers: int = 1,
        queue: int | None = None,
        keep: bool = False,
        rotate: float | None = None,
        secret: am_rpc.ClientSecrets | None = None,
        ssl_context: Any = None,
        parent: am.Machine | None = None,
    ) -> None:
        is_class = isinstance(worker, type) and issubclass(worker, Worker)
        if not is_class and worker is not None:
            _check_schema(worker)
        self.kind = kind or (worker.kind_name() if is_class else "worker")  # type: ignore[union-attr]
        schema = worker.States if is_class else worker  # type: ignore[union-attr]
        depth = 1 + (queue if queue is not None else worker.queue if is_class else 0)  # type: ignore[union-attr]
        self.mach = am.Machine(
            self.States,
            id=client_id(self.kind, name),
            parent=parent,
            tags=(
                "node-client",
                f"kind:{self.kind}",
                f"host:{host_name()}",
                f"instance:{instance_name()}",
            ),
            log_level=log_level("CLIENT"),
        )
        debug(self.mach)
        unique = f"{name}-{os.getpid()}"
        self._rotate = rotate
        self._supervisor = SupervisorLink(
            self.mach,
            unique,
            as_discovery(supers, self.kind),
            secret=secret,
            ssl_context=ssl_context,
        )
        self._links = LinkPool(
            self.mach, self._supervisor, unique, schema, depth=depth, workers=workers, keep=keep
        )
        self._open = 0
        self._asked = 0
        self._answers: dict[int, _Answer] = {}
        bind_own_handlers(self.mach, self)
        self.mach.bind(_Handlers(self.mach, self._supervisor, self._links, self._answers))

    async def __aenter__(self) -> Self:
        await self.mach.__aenter__()
        self.mach.add("Start")
        self.mach.fork(self._supervisor.discover)
        self.mach.fork(self._supervisor.run)
        if self._rotate is not None:
            self.mach.fork(self._rotate_at_times, self._rotate)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        self._links.close()
        return await self.mach.__aexit__(exc_type, exc, traceback)

    # -- workers

    @property
    def workers(self) -> tuple[str, ...]:
        """The ids of the workers held now."""
        return self._links.workers

    @property
    def stats(self) -> dict[str, int]:
        """What went over the links to workers so far: the counters of `am_rpc.Stats`, added up."""
        return self._links.stats

    @property
    def supervisor(self) -> str:
        """The address of the supervisor in use."""
        return self._supervisor.addr

    async def request_worker(self, timeout: float = TIMEOUT) -> str:  # noqa: ASYNC109
        """Get a worker before there is work for it; returns its id.

        :raises SupervisorLost: if no supervisor is reached within `timeout` seconds.
        :raises NoWorkers: if none has a worker to give within that time.
        """
        with trio.move_on_after(timeout):
            return await self._links.worker()
        raise self._without_worker(timeout)

    def _without_worker(self, timeout: float) -> NoWorkers | SupervisorLost:
        if self.mach.is_("SuperReady"):
            return NoWorkers(f"no worker was free within {timeout:g} s")
        tried = self._supervisor.failures
        return SupervisorLost(f"no supervisor was reached within {timeout:g} s ({tried})")

    # -- the supervisor

    async def status(self, timeout: float = 5.0) -> PoolStatus:  # noqa: ASYNC109
        """Ask the supervisor in use how it and its workers are.

        :raises SupervisorLost: if none is reached, or does not answer within `timeout` seconds.
        """
        self._asked += 1
        answer = self._answers[self._asked] = _Answer()
        try:
            with trio.move_on_after(timeout):
                net = await self._supervisor.reached()
                if await net.add("ProvideStatus", req=self._asked) is am.EXECUTED:
                    await answer.came.wait()
        finally:
            del self._answers[self._asked]
        if answer.data is None:
            raise SupervisorLost(f"no supervisor told its status within {timeout:g} s")
        return _status_of(answer.data)

    async def drain(self, timeout: float = 5.0) -> None:  # noqa: ASYNC109
        """Ask the supervisor in use to end gently, as a signal would; returns when it has agreed.

        It may be asked through its user's own socket, or with a key that it names in `drain_keys`.

        :raises NodeError: if it refuses.
        :raises SupervisorLost: if none is reached within `timeout` seconds.
        """
        with trio.move_on_after(timeout):
            net = await self._supervisor.reached()
            outcome = net.add("Draining")
            if await outcome is am.EXECUTED:
                return
            raise NodeError(f"{self.supervisor} does not let this client drain it")
        raise self._without_worker(timeout)

    def rotate(self, secret: am_rpc.ClientSecrets) -> None:
        """Offer other secrets to supervisors from the next connection on; what is open goes on."""
        self._supervisor.rotate_secret(secret)

    # -- work

    async def work(
        self,
        *,
        timeout: float | None = TIMEOUT,  # noqa: ASYNC109 - the promise to the caller
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
        **args: Any,
    ) -> Any:
        """Have a worker do one piece of work and return its result.

        All keywords but those named here are the args of the work. A worker that is lost on the
        way costs one of `attempts`: the request then goes to another one, so it may run more than
        once, but its result is returned once. Give ``attempts=1`` for work that must not run
        twice. The whole takes at most `timeout` seconds, or any time if that is None. Cancelling
        cancels the work.

        :raises WorkError: if the work failed; types named in `retry_on` are tried again instead.
        :raises WorkTimeout: if there was a worker, but no answer in time.
        :raises WorkerLost: if each attempt lost its worker.
        :raises NoWorkers: if there was no worker within `timeout`.
        :raises SupervisorLost: if no supervisor was reached within `timeout`.
        :raises TypeError: if the args cannot be sent.
        """
        return await self._perform(args, timeout, attempts, checked_names(retry_on))

    async def work_with(
        self,
        args: Mapping[str, Any],
        *,
        timeout: float | None = TIMEOUT,  # noqa: ASYNC109 - the promise to the caller
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> Any:
        """The same as `work`, for args in a mapping or with a name that `work` needs itself."""
        return await self._perform(args, timeout, attempts, checked_names(retry_on))

    def map(
        self,
        inputs: Inputs,
        *,
        workers: int = 1,
        ordered: bool = False,
        return_errors: bool = False,
        timeout: float | None = TIMEOUT,
        attempts: int = ATTEMPTS,
        retry_on: Collection[str] = (),
    ) -> Results:
        """Do the work for each of `inputs`, mappings of args, on up to `workers` workers.

        Iterate over the result with ``async for args, result in ...``: pairs come as they are
        done, or in the order of the inputs with `ordered`. Inputs are taken a little ahead: no
        more than three for each request that a worker can hold, results that were not iterated
        over included. The first error cancels the rest, unless `return_errors` puts it in place of
        a result. The other options are those of `work`, for each input.
        """
        mapper = Mapper(
            self.mach,
            self._links,
            inputs,
            workers=workers,
            ordered=ordered,
            return_errors=return_errors,
            timeout=checked_timeout(timeout, attempts),
            attempts=attempts,
            retry_on=checked_names(retry_on),
            busy=self._count_open,
        )
        return Results(mapper)

    async def _perform(
        self,
        args: Mapping[str, Any],
        timeout: float | None,  # noqa: ASYNC109 - the promise to the caller
        attempts: int,
        retry_on: frozenset[str],
    ) -> Any:
        timeout = checked_timeout(timeout, attempts)
        answered = trio.Event()
        request = Request(
            args, attempts, retry_on, lambda request: answered.set(), am.current_source()
        )
        self._count_open(1)
        try:
            with trio.move_on_after(timeout):
                self._links.submit(request)
                await answered.wait()
        finally:
            self._count_open(-1)
            if not answered.is_set():
                self._links.withdraw(request)
        if request.error is not None:
            raise request.error
        if answered.is_set():
            return request.result
        if request.tried:
            raise WorkTimeout(f"no answer within {timeout:g} s")
        raise self._without_worker(timeout)

    def _count_open(self, change: int) -> None:
        """Keep count of what is open, for the state `WorkPending`."""
        before, self._open = self._open, self._open + change
        if not before:
            self.mach.add("WorkPending")
        elif not self._open and not self.mach.disposed:
            self.mach.remove("WorkPending")

    async def _rotate_at_times(self, every: float) -> None:
        while True:
            await trio.sleep(every)
            await self.mach.when_not("WorkPending")
            self._supervisor.rotate()


def _check_schema(worker: object) -> None:
    """Refuse what no worker can be known by: its links would never be ready.

    :raises TypeError: if it is no schema.
    """
    try:
        am.compile_schema(worker)  # type: ignore[arg-type]
    except (TypeError, am.SchemaError):
        checked_worker(worker)


class _Answer:
    """What a supervisor answered to one question."""

    def __init__(self) -> None:
        self.came = trio.Event()
        self.data: Any = None


def _status_of(data: Any) -> PoolStatus:
    try:
        return amh.args_load(PoolStatus, data)
    except am.ArgsError as exc:
        raise SupervisorLost(f"the supervisor told a status that is none: {exc}") from None


class _Handlers:
    """What a client does by itself, whatever its user's class adds."""

    def __init__(
        self,
        mach: am.Machine,
        supervisor: SupervisorLink,
        links: LinkPool,
        answers: dict[int, _Answer],
    ) -> None:
        self._mach = mach
        self._answers = answers
        self._supervisor = supervisor
        self._links = links

    def WorkerRequestedEnter(self, e: am.Event) -> bool:
        """Refuse unless the supervisor has workers to give."""
        net = self._supervisor.net
        return net is not None and net.is_("WorkersAvailable")

    def ServerPayloadState(self, e: am.Event) -> None:
        """Take what the supervisor says; other payloads are for the user's handlers."""
        self._mach.remove("ServerPayload")
        name, data = e.args.get("name"), e.args.get("data")
        if name == PROVIDE and isinstance(data, Mapping):
            self._links.contracts.provided(data)
        elif name == LEASE_ENDED and isinstance(data, Mapping):
            self._links.lease_ended(data)
        elif name == STATUS and isinstance(data, Mapping):
            answer = self._answers.get(data.get("req", 0))
            if answer is not None:
                answer.data = data.get("status")
                answer.came.set()
        elif name == "NodesList" and isinstance(data, (list, tuple)):
            known = [addr for addr in data[:_MAX_NODES] if isinstance(addr, str)]
            self._supervisor.tell(frozenset(known))

    def ExceptionState(self, e: am.Event) -> None:
        """Errors of a link are met by making another one."""
        own = ("ErrWorker", "ErrSupervisor")
        if self._mach.any_(*own):
            self._mach.remove(*own, "Exception")
