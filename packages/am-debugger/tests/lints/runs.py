"""Small programs of machines, run on a clock of their own and recorded as an exporter would."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import am_machine as am
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process
from ..recording import sent

if TYPE_CHECKING:
    from collections.abc import Callable

_SECOND = 1_000_000
_BEGIN = 1_700_000_000 * _SECOND


class Recording:
    """Machines of one process, and a clock that moves when the program says so."""

    def __init__(self) -> None:
        self.store = Store()
        self.link = Link(self.store, process(), is_live=False)
        self.now = _BEGIN
        self.is_over = False
        self._journals: list[tuple[am.Machine, am.Journal]] = []
        self._sent: dict[int, int] = {}
        self._runs: dict[str, list[tuple[str, int]]] = {}
        self._since: dict[tuple[str, str], int] = {}
        self._pipes: dict[int, Any] = {}
        self._waits: list[am.Wait] = []

    def machine(self, schema: Any, id: str, *handlers: object, **options: Any) -> am.Machine:
        """A machine that is recorded, with all details."""
        machine = am.Machine(schema, id=id, **options)
        for one in handlers:
            machine.bind(one)
        machine.log_args = am.LogArgs("name", "id", "err")
        journal = am.Journal(rejected=True, details=True)
        machine.bind_tracer(journal)
        self._journals.append((machine, journal))
        return machine

    def keep(self, *waits: am.Wait) -> None:
        """Somebody waits for these until the end."""
        self._waits += waits

    def work(self, event: am.Event, seconds: float) -> None:
        """A handler is busy for so long."""
        took = int(seconds * _SECOND)
        self._runs.setdefault(event.transition.id, []).append((event.name, took))
        self.now += took

    def wait(self, seconds: float) -> None:
        """Time passes, in which nothing happens."""
        self.flush()
        self.now += int(seconds * _SECOND)

    def stop(self) -> None:
        """Nothing that happens from now on is recorded."""
        self.flush()
        self.is_over = True

    def flush(self) -> None:
        """Send what happened; entries of one moment are a microsecond apart."""
        if self.is_over:
            return
        for handle, (machine, _) in enumerate(self._journals, 1):
            if self._pipes.get(handle) != machine.sem_log.pipes:
                self._announce(handle, machine)
        rows = [
            (entry.at, k, handle, entry)
            for handle, (_, journal) in enumerate(self._journals, 1)
            for k, entry in enumerate(journal.read())
        ]
        for _, _, handle, entry in sorted(rows, key=lambda row: row[:3]):
            self.now += 1
            told = sent(entry)
            details = entry.details
            if details is not None and details.what == "queued":
                told = told._replace(flags=int(Flag.QUEUED), diff=())
            elif details is not None and details.what == "check":
                continue
            self.link.transition(
                handle,
                told._replace(
                    time=self.now,
                    number=None if details is None else details.number,
                    queue_len=None if details is None else details.queue_len,
                    handlers=tuple(self._runs.pop(entry.id, ())) or None,
                ),
            )
        for machine, _ in self._journals:
            for item in machine.pending().waits:
                self._since.setdefault((machine.id, item.label), self.now)

    def _announce(self, handle: int, machine: am.Machine) -> None:
        schema = dbg.schema_def(machine.schema)
        self.link.schema(schema)
        pipes = list(machine.sem_log.pipes)
        is_first = handle not in self._pipes
        self._pipes[handle] = pipes
        known = self.store.in_process("p1", machine.id)
        self.link.machine(
            mach(
                handle,
                machine.id,
                schema,
                tags=tuple(machine.tags),
                handlers=tuple(machine.handler_names),
                time=(0,) * len(schema.names)
                if is_first or known is None
                else tuple(known.columns.ticks),
                pipes=tuple([dbg.PipeDef(*pipe) for pipe in pipes]),
            )
        )

    def end(self) -> Store:
        """All that happened, and what machines wait for in the end."""
        self.flush()
        for handle, (machine, _) in enumerate(self._journals, 1):
            items = tuple(
                [
                    dbg.PendingDef(
                        "wait",
                        item.label,
                        tuple(item.states),
                        self.now - self._since.get((machine.id, item.label), self.now),
                    )
                    for item in machine.pending().waits
                ]
            )
            self.link.take(dbg.PendingMsg(handle, items), self.now)
        return self.store


@dataclass(frozen=True)
class Program:
    """A run. `rule` is the one that has to complain of it, of machine and state `where`; without
    one nothing may be found in it."""

    name: str
    play: Callable[[Recording], None]
    rule: str = ""
    where: str = ""

    def run(self) -> Store:
        """Play it."""
        recording = Recording()
        self.play(recording)
        return recording.end()


class Corpus:
    """Programs in the order in which they are written down."""

    def __init__(self) -> None:
        self.programs: list[Program] = []

    def fault(
        self, rule: str, where: str
    ) -> Callable[[Callable[[Recording], None]], Callable[[Recording], None]]:
        """A program with a planted fault."""

        def add(play: Callable[[Recording], None]) -> Callable[[Recording], None]:
            self.programs.append(Program(play.__name__, play, rule, where))
            return play

        return add

    def clean(self, play: Callable[[Recording], None]) -> Callable[[Recording], None]:
        """A program as it should be."""
        self.programs.append(Program(play.__name__, play))
        return play
