"""The fields of a machine: what each is for, and whose the machine is."""

from __future__ import annotations

import threading
from threading import get_ident
from typing import TYPE_CHECKING, cast

from .._causality import id_of
from .reading import Reading

if TYPE_CHECKING:
    from contextvars import Token

    from .._causality import Cause, CauseCell, Source
    from .._schema.handlers import HandlerCall
    from .._schema.plan_book import PlanBook
    from .._schema.plans import Configuration, Plan
    from .._schema.schema import Schema
    from .._waits.dependents import Dependents
    from .._waits.waits import WaitIndex
    from .._watch.listening import Listening, Observed
    from .api import MachineApi
    from .binding import Binding, Handler
    from .introspection import Trouble
    from .mutation import Mutation
    from .transition import Transition

    # What is bound under a handler name: (function, binding), in order of binding.
    Calls = dict[str, list[tuple[Handler, Binding]]]


class Fields(Reading):
    """The one class of a machine that has fields; all other parts of it work on these."""

    __slots__ = (
        "__weakref__", "_attention", "_binding_count", "_bindings", "_book", "_calls",
        "_cause", "_cell", "_conf", "_dependents", "_fast", "_handling", "_id",
        "_is_rebound", "_is_stale", "_life", "_listening", "_machine_tick", "_mutation",
        "_observed", "_owner", "_plan", "_queue_tick", "_schema", "_slow", "_ticks",
        "_time_offset", "_timeout", "_token", "_transition", "_troubles", "_waits",
        "_watched", "catch_exceptions", "err", "log_traceback", "parent", "tags",
    )  # fmt: skip

    # Whether states live here; False for replicas.
    is_local = True
    # Whether negotiation handlers can be bound.
    _votes = False

    err: BaseException | None
    """The last error; it stays when `Exception` is removed."""
    catch_exceptions: bool
    """Whether an unhandled exception in a handler becomes the `Exception` state."""
    log_traceback: bool
    """Whether error lines come with the traceback."""
    parent: MachineApi | None
    """The machine it was made under."""
    tags: tuple[str, ...]

    # The configuration, while the machine is idle, takes mutations, and nobody listens; else None.
    _fast: Configuration | None
    _schema: Schema
    _book: PlanBook
    _conf: Configuration
    _ticks: list[int]
    _queue_tick: int
    # Machine time is this and the queue tick: most mutations move both by one.
    _time_offset: int
    # The name, or a number that it is made from when somebody asks.
    _id: str | int
    _owner: int
    # Seconds that one handler call may take, 0: any; and those after which it is told to be slow.
    _timeout: float
    _slow: float
    _life: int
    _observed: Observed
    _listening: Listening
    _dependents: Dependents | None
    _waits: WaitIndex | None
    # States that waits, contexts and tasks look at; it may hold some too many. -1: all.
    _watched: int
    _bindings: dict[Binding, None]
    # How many there ever were.
    _binding_count: int
    # Names with a handler; in the middle of a transition also names without any more.
    _calls: Calls
    # Handlers were bound or detached since the book of plans was looked up.
    _is_stale: bool
    # … in the running transition, which goes on with those that it began with.
    _is_rebound: bool
    # The running transition: its plan, its mutation if it has one, its record if somebody looked,
    # the handler being called, its record as a cause.
    _plan: Plan | None
    _mutation: Mutation | None
    _transition: Transition | None
    _handling: HandlerCall | None
    _cause: Source | None
    # The votes against it, and what failed in it.
    _troubles: list[Trouble] | None
    # Something happened in it that a quick end would miss.
    _attention: bool
    # The cell of causality, and the token to give back another cause afterwards.
    _cell: CauseCell
    _token: Token[Cause] | None

    @property
    def id(self) -> str:
        """Name of the machine; 16 random lower-case hex characters if none was given."""
        found = self._id
        if type(found) is int:
            # Any thread may ask first, and all of them get the same.
            found = self._id = id_of(found)
        return cast("str", found)

    @property
    def schema(self) -> Schema:
        """The compiled schema."""
        return self._schema

    def check_thread(self) -> None:
        """What every call does that changes something.

        :raises RuntimeError: in a thread other than the owner's.
        """
        if get_ident() != self._owner:
            raise self._wrong_thread()

    def _wrong_thread(self) -> RuntimeError:
        names = {t.ident: t.name for t in threading.enumerate()}
        here = threading.current_thread().name
        return RuntimeError(
            f"machine {self.id} belongs to thread {names.get(self._owner, self._owner)!r}, it was "
            f"used in {here!r}: call trio.from_thread.run_sync(machine.add, …) there"
        )
