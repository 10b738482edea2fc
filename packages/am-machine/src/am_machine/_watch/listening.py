"""What listens to one machine, and how much its transitions have to tell.

Most machines have nobody who listens; they share `NOBODY`, so that silence costs no memory.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Any

from .log import OPS

if TYPE_CHECKING:
    from .details import Noting
    from .journal import Journal
    from .log import LogArgs
    from .sem_log import SemLog
    from .tracer import Hooks, Tracer


class Observed(IntEnum):
    """How much of a transition is told."""

    NONE = 0
    """Nothing; also where a level only admits lines that the program itself emits."""
    JOURNAL = 1
    """Journals get what moved, tracers the end of the queue."""
    DETAILS = 2
    """Journals get how long it took as well, what was queued, checks, and autos that came to
    nothing."""
    LOG = 3
    """Log lines are made."""
    FULL = 4
    """Tracers see transitions, steps are recorded, or breakpoints look at what is queued."""


class Listening:
    """All that listens to one machine."""

    __slots__ = (
        "has_told_cycle", "hooks", "journals", "log_args", "log_level", "noting", "pre_log",
        "queue_end", "sem_log", "tells_handlers", "tells_queued", "tells_steps",
    )  # fmt: skip

    def __init__(self) -> None:
        # Lines of at most this level are emitted.
        self.log_level = 0
        self.log_args: LogArgs | None = None
        self.sem_log: SemLog | None = None
        self.hooks: Hooks | None = None
        # What tracers have called at the end of the queue.
        self.queue_end: tuple[Any, ...] = ()
        self.journals: tuple[Journal, ...] = ()
        # Where a journal wants details.
        self.noting: Noting | None = None
        # Lines emitted since the last transition.
        self.pre_log: list[Any] | None = None
        # Whether a cycle of requirements was told.
        self.has_told_cycle = False
        # What a transition has to tell, as of the last `settle`: what is queued, each handler, its
        # steps.
        self.tells_queued = self.tells_handlers = self.tells_steps = False

    def settle(self) -> None:
        """Somebody came or went: find out what is told."""
        hooks = self.hooks
        if not any([journal.details for journal in self.journals]):
            self.noting = None
        elif self.noting is None:
            # Here, as few processes want to know that much.
            from .details import Noting

            self.noting = Noting()
        has_lines = self.log_level >= OPS
        self.tells_steps = self.wants_steps
        self.tells_queued = has_lines or (hooks is not None and bool(hooks.mutation_queued))
        self.tells_handlers = has_lines or (
            hooks is not None and bool(hooks.handler_start or hooks.handler_end)
        )

    @property
    def tracers(self) -> tuple[Tracer, ...]:
        """The tracers bound now, journals among them."""
        return self.hooks.tracers if self.hooks is not None else ()

    @property
    def wants_steps(self) -> bool:
        """Whether transitions record their steps."""
        return self.sem_log is not None and self.sem_log.steps

    def observed(self, *, has_autos: bool, has_breakpoints: bool) -> Observed:
        """How much the transitions of the machine have to tell."""
        hooks = self.hooks
        if has_breakpoints or self.wants_steps or (hooks is not None and hooks.is_loud):
            return Observed.FULL
        if has_autos and any([j.rejected and j.blocked_autos for j in self.journals]):
            # Auto mutations that come to nothing are noted too, so none is left out.
            return Observed.FULL
        # Lines of lower levels are emitted by the program itself.
        if self.log_level > 1:
            return Observed.LOG
        if self.noting is not None:
            return Observed.DETAILS
        if self.journals or (hooks is not None and hooks.queue_end):
            return Observed.JOURNAL
        return Observed.NONE


NOBODY = Listening()
