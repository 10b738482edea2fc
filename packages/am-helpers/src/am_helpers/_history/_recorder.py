"""From a machine's journal to notes, which costs the machine next to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import am_machine as am

from .._env.values import LOGGER
from ._listener import ListeningRecorder
from ._notes import Note, Watching

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._model import HistoryConfig

AnyRecorder: TypeAlias = "Recorder | ListeningRecorder"


class Recorder(Watching, am.Journal):
    """Reads the journal of one machine as notes.

    `on_due` is called in the machine's stack when there is something to `take`.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        config: HistoryConfig,
        on_due: Callable[[], None],
        on_dispose: Callable[[], None],
    ) -> None:
        super().__init__(rejected=config.track_rejected)
        self._watch(mach, config)
        self.due = on_due  # type: ignore[method-assign]  # one frame less
        self._on_dispose = on_dispose
        self._picky = bool(config.called or config.changed)
        self._lost = 0

    def take(self) -> list[Note]:
        """Take out what was noted, oldest first."""
        notes = []
        entries = self.read()
        lost, self._lost = self.dropped - self._lost, self.dropped
        self.next_id += lost  # which leaves a gap
        for entry in entries:
            # The system's clock may be set back.
            self.last_at = at = max(entry.at, self.last_at)
            notes.append(
                Note(
                    self.next_id,
                    at,
                    entry.kind,
                    entry.before,
                    entry.after,
                    entry.queue_tick,
                    entry.machine_tick,
                    None,
                )
            )
            self.next_id += 1
        return notes

    def keeps(self, entry: am.JournalEntry) -> bool:
        """Whether the configuration lets it in."""
        return not self._picky or self.selection.wants(entry.called, entry.before, entry.after)

    def schema_change(self, machine: am.BaseMachine, old: am.Schema) -> None:
        """Track what grew, if all states are tracked."""
        self.due()
        self.selection.settle()

    def machine_dispose(self, machine: am.BaseMachine) -> None:
        """Let the history end with its machine."""
        self._on_dispose()


def recorder_of(
    mach: am.MachineApi,
    config: HistoryConfig,
    on_due: Callable[[], None],
    on_dispose: Callable[[], None],
) -> AnyRecorder:
    """The cheapest recorder that knows what the configuration wants."""
    make = ListeningRecorder if config.store_transitions else Recorder
    return make(mach, config, on_due, on_dispose)


def tell(
    recorder: AnyRecorder,
    exc: Exception,
    on_err: Callable[[Exception], object] | None,
) -> None:
    """Report an error to the owner of the history, or to the log if there is none."""
    if on_err is None:
        LOGGER.error("%s of %s: %s", recorder.name, recorder.mach.id, exc, exc_info=exc)
        return
    try:
        on_err(exc)
    except Exception:
        LOGGER.exception("on_err of %s failed", recorder.name)
