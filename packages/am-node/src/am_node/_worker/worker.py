"""The class that users derive their workers from."""

from __future__ import annotations

import reprlib
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from .._worker_states import WorkerStates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import am_machine as am

    from .work_flow import WorkFlow


class Worker:
    """Performs work, one request at a time, for one client at a time.

    The shortest worker has a method ``work``, whose parameters are the args of a request and whose
    result goes back to the client. An ``async def work`` runs in the event loop and is cancelled
    with its request; a ``def work`` runs in a thread, or inline with ``thread = False``. A worker
    that wants full control overrides `WorkRequestedState` and calls `reply`.

    Own states come from a subclass of `WorkerStates` assigned to ``States``, own handlers are
    methods. The instance is made in the worker's process, without arguments.
    """

    States: ClassVar[type[WorkerStates]] = WorkerStates
    """The schema; own states join a work status by an ``add`` relation to one of them."""
    kind: ClassVar[str | None] = None
    """What the pool calls its workers; None means the name of the class."""
    thread: ClassVar[bool] = True
    """Whether a synchronous ``work`` runs in a thread, so that it does not block the event loop."""
    queue: ClassVar[int] = 0
    """How many requests wait inside the worker besides the one that runs."""
    work_timeout: ClassVar[float | None] = None
    """Seconds that one request may take; None means no limit."""
    max_tasks: ClassVar[int] = 0
    """The worker is replaced after so many requests; 0 means never."""
    reuse: ClassVar[bool] = True
    """Whether the worker serves another client after its lease ended."""
    link_timeout: ClassVar[float | None] = None
    """Seconds without a sign of life before the worker is replaced; None means the pool's own."""
    background: ClassVar[bool] = True
    """Whether the worker's process interrupts nobody who runs when work arrives (Linux). False may
    be right for short work that must be done at once on a host whose processors are all busy."""
    client_states: ClassVar[tuple[str, ...] | None] = None
    """States a client may mutate; None means requests, `Working` and all states of one's own."""

    mach: am.Machine
    """The worker's machine. It exists before the first handler runs."""
    options: Mapping[str, Any]
    """What the supervisor was given as `options`, to be read; there before handlers run."""
    _flow: WorkFlow

    work: Callable[..., Any]
    """The work itself: ``def`` or ``async def``, taking the args of a request by name."""

    @classmethod
    def kind_name(cls) -> str:
        """The kind of this class's workers."""
        return cls.kind or cls.__name__

    @classmethod
    def writable_states(cls) -> frozenset[str]:
        """The states that a client may mutate."""
        if cls.client_states is not None:
            return frozenset(cls.client_states)
        own = set(cls.States.names()) - set(WorkerStates.names())
        return frozenset({"WorkRequested", "WorkQueued", "Working", *own})

    def WorkRequestedState(self, e: am.Event) -> None:
        """Begin the request: check its args against the signature of ``work``, then `Working`."""
        self._flow.begin(e)

    def WorkingState(self, e: am.Event) -> None:
        """Run ``work`` until this state ends; what it returns or raises becomes the answer."""
        self._flow.run(e)

    def reply(self, e: am.Event, data: object) -> None:
        """Answer the request of event `e` with `data`, which ends the request.

        `data` is what MessagePack can carry: None, bool, int, float, str, bytes, lists and maps.
        """
        self._flow.finish(e.args.get("req"), {"data": data})

    def send(self, name: str, data: object) -> None:
        """Send a payload, such as the progress of the work, to the client; from any thread.

        In a thread, as in a synchronous ``work``, it returns once the event loop has taken it.

        :raises ValueError: for the name ``work``, which is the answer's.
        :raises trio.RunFinishedError: in a thread, if the worker has ended.
        """
        if name == "work":
            raise ValueError("the payload 'work' is the answer: call reply()")
        self._flow.in_loop(partial(self.mach.add, "ClientSendPayload", name=name, data=data))


def checked_worker(worker: object) -> None:
    """Refuse what is no class of workers.

    :raises TypeError: with what to give instead.
    """
    if not (isinstance(worker, type) and issubclass(worker, Worker)):
        raise TypeError(
            f"a subclass of am_node.Worker is needed, not {reprlib.repr(worker)}; "
            "load_entry_point makes a class of a text as module:Class"
        )
