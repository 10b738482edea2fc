"""From a machine's journal to steps, which costs the machine next to nothing.

A journal tells what each transition moved. So a step takes as long with thousands of states as with
few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import am_machine as am

from .._env.values import LOGGER
from ._listener import ListeningRecorder
from ._notes import Watching
from ._trail import Step, differing

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._model import HistoryConfig

AnyRecorder: TypeAlias = "Recorder | ListeningRecorder"


class Recorder(Watching, am.Journal):
    """Reads the journal of one machine as steps.

    `on_due` is called in the machine's stack when there is something to `take`.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        config: HistoryConfig,
        on_due: Callable[[], None],
        on_dispose: Callable[[], None],
    ) -> None:
        super().__init__(rejected=config.track_rejected, clocks=False)
        self._watch(mach, config)
        self.due = on_due  # type: ignore[method-assign]  # one frame less
        self._on_dispose = on_dispose
        self._picky = bool(config.called or config.changed)
        self._lost = 0
        # The clocks as of the last entry, and which of them moved since the last step.
        self._known: list[int] = []
        self._known_sum = 0
        self._moved: set[int] = set()

    def begin(self, ticks: tuple[int, ...], queue_tick: int, machine_tick: int) -> None:
        """Go on from these clocks."""
        self._known, self._known_sum = list(ticks), sum(ticks)
        self._moved = set()

    def take(self) -> list[Step]:
        """Take out what was noted, oldest first."""
        steps = []
        entries = self.read()
        lost, self._lost = self.dropped - self._lost, self.dropped
        self.next_id += lost  # which leaves a gap
        for entry in entries:
            if entry.before:
                self._rebase(entry.before)
            gained = self._follow(entry.changes)
            if not self._picky or self.selection.wants(entry.called, gained):
                # The system's clock may be set back.
                self.last_at = max(entry.at, self.last_at)
                steps.append(self._step(entry, gained))
        return steps

    def _rebase(self, ticks: tuple[int, ...]) -> None:
        """The clocks are these, but not by a transition."""
        known = (*self._known, *(0,) * (len(ticks) - len(self._known)))
        self._moved.update(differing(known, ticks))
        self._known, self._known_sum = list(ticks), sum(ticks)

    def _follow(self, changes: tuple[tuple[int, int], ...]) -> dict[int, int]:
        """Move the clocks; return what each has gained."""
        all_gained: dict[int, int] = {}
        for i, gained in changes:
            self._known[i] += gained
            self._known_sum += gained
            all_gained[i] = all_gained.get(i, 0) + gained
        self._moved.update(all_gained)
        return all_gained

    def _step(self, entry: am.JournalEntry, gained: dict[int, int]) -> Step:
        """All that moved since the step before, also what was not recorded."""
        moves = tuple([(i, self._known[i], gained.get(i, 0)) for i in sorted(self._moved)])
        self._moved.clear()
        id_, self.next_id = self.next_id, self.next_id + 1
        return Step(
            id_,
            self.last_at,
            entry.kind,
            len(self._known),
            moves,
            self._known_sum,
            sum(gained.values()),
            entry.queue_tick,
            entry.machine_tick,
            None,
        )

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
