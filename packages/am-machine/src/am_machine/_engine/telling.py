"""What a machine tells to those who listen: log lines, tracers, journals."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, cast
from weakref import ref

from .._watch.listening import NOBODY, Listening, Observed
from .._watch.log import CHANGES, DEFAULT_ARGS, LogArgs, LogLevel, emit
from .._watch.sem_log import SemLog
from .._watch.tracer import Hooks
from .fields import Fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._watch.journal import Journal
    from .._watch.tracer import Tracer


class Telling(Fields):
    """Who listens to a machine, and how much they want to hear of its transitions."""

    __slots__ = ()

    def _own_listening(self) -> Listening:
        if self._listening is NOBODY:
            self._listening = Listening()
        return self._listening

    def _retune(self) -> None:
        """Find out how much transitions have to tell."""
        listening = self._listening
        if listening is not NOBODY:
            listening.settle()
            self._settle_slow()
        self._observed = (
            Observed.NONE
            if listening is NOBODY
            else listening.observed(has_autos=self._schema.tables.auto != 0, has_breakpoints=False)
        )
        if self._plan is not None:
            self._attention = True
        if listening.log_level >= CHANGES and not listening.has_told_cycle:
            listening.has_told_cycle = True
            if self._schema.tables.has_require_cycle:
                emit(self, LogLevel.CHANGES, "[resolver] require has a cycle, it orders nothing")

    def _fire(self, hook: str, *args: Any) -> None:
        hooks = self._listening.hooks
        if hooks is not None:
            hooks.fire(hook, *args)

    @property
    def log_level(self) -> LogLevel:
        """Lines of at most this level are emitted."""
        return LogLevel(self._listening.log_level)

    @log_level.setter
    def log_level(self, level: LogLevel) -> None:
        self._own_listening().log_level = int(LogLevel(level))
        self._retune()

    @property
    def log_args(self) -> LogArgs:
        """Which keywords are shown in log lines."""
        listening = self._own_listening()
        if listening.log_args is None:
            listening.log_args = LogArgs(*DEFAULT_ARGS)
        return listening.log_args

    @log_args.setter
    def log_args(self, shown: LogArgs) -> None:
        self._own_listening().log_args = shown

    @property
    def sem_log(self) -> SemLog:
        """Switches of the semantic log, and the pipes of this machine."""
        listening = self._own_listening()
        if listening.sem_log is None:
            me = ref(self)

            def tell(text: str) -> None:
                machine = me()
                if machine is not None:
                    emit(machine, LogLevel.OPS, text)

            def switched() -> None:
                machine = me()
                if machine is not None:
                    machine._retune()

            def piped() -> None:
                machine = me()
                if machine is not None:
                    machine._fire("pipes_change", machine)

            listening.sem_log = SemLog(tell, switched, piped)
        return listening.sem_log

    def log(self, text: str) -> None:
        """Emit a line of level EXTERNAL; in a handler it is prefixed with the handler's name."""
        if self._handling is not None:
            text = f"[{self._handling.name}] {text}"
        emit(self, LogLevel.EXTERNAL, text)

    def bind_tracer(self, tracer: Tracer) -> None:
        """Add a tracer; it is not sent `machine_init`. In a running transition it hears of what
        is left of it."""
        self.check_thread()
        self._open_journals([tracer])
        self._listen((*self.tracers, tracer))

    def detach_tracer(self, tracer: Tracer) -> None:
        """Take a tracer off; one that is not there is ignored."""
        self.check_thread()
        if tracer in self.tracers:
            self._listen([t for t in self.tracers if t is not tracer])

    @property
    def tracers(self) -> tuple[Tracer, ...]:
        """The tracers bound now."""
        return self._listening.tracers

    def _open_journals(self, tracers: Iterable[Tracer]) -> None:
        for journal in _journals(tracers):
            journal.open(self)  # type: ignore[arg-type]

    def _listen(self, tracers: Sequence[Tracer]) -> None:
        """These are the tracers from now on."""
        listening = self._own_listening()
        hooks = Hooks(tracers) if tracers else None
        queue_end = hooks.queue_end if hooks is not None else ()
        journals = _journals(tracers)
        # All or none, if it is interrupted.
        listening.hooks, listening.queue_end, listening.journals = hooks, queue_end, journals
        self._retune()

    def _settle_slow(self) -> None:
        """A handler call that takes more than a tenth of the timeout is logged; where a journal
        wants details, each is noted."""
        slow = self._timeout / 10 or math.inf
        self._slow = slow if self._listening.noting is None else -1.0


def _journals(tracers: Iterable[Tracer]) -> tuple[Journal, ...]:
    """Those that are journals."""
    return tuple([cast("Journal", tracer) for tracer in tracers if tracer._is_journal])
