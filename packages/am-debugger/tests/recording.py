"""Real machines, recorded as their exporter would: what the journal tells becomes messages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import am_machine as am
from am_debugger._store.layout import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from am_debugger._store.link import Link
from am_telemetry import dbg

from .messages import mach


def sent(entry: am.JournalEntry) -> dbg.Tx:
    """A journal entry as sent."""
    flags = Flag.ACCEPTED if entry.accepted else Flag(0)
    flags |= Flag.AUTO if entry.is_auto else Flag(0)
    flags |= Flag.ERROR if entry.failed is not None else Flag(0)
    failed = (*entry.vetoed, *((entry.failed,) if entry.failed else ()))
    source = None
    if entry.source is not None:
        told = entry.source
        source = (told.machine_id, bytes.fromhex(told.transition_id), told.time)
    return dbg.Tx(
        bytes.fromhex(entry.id),
        entry.at,
        ("add", "remove", "set").index(entry.kind),
        int(flags),
        entry.called,
        tuple([part for pair in entry.changes for part in pair]),
        entry.queue_tick,
        source,
        dict(entry.args) or None,
        vetoed=failed or None,
    )


class Recorder:
    """Feeds what machines did to a link."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self._journals: list[tuple[am.Machine, am.Journal, int]] = []

    def bind(self, machine: am.Machine) -> None:
        """Record a machine from now on."""
        journal = am.Journal(rejected=True)
        handle = len(self._journals) + 1
        machine.bind_tracer(journal)
        self._journals.append((machine, journal, handle))
        self.announce(machine, handle)

    def announce(self, machine: am.Machine, handle: int) -> None:
        """Send schema and machine."""
        told = dbg.schema_def(machine.schema)
        self.link.schema(told)
        of_machine = mach(
            handle,
            machine.id,
            told,
            parent=machine.parent.id if machine.parent else None,
            tags=tuple(machine.tags),
            handlers=tuple(machine.handler_names),
            time=tuple(machine.time()),
            pipes=tuple([dbg.PipeDef(*pipe) for pipe in machine.sem_log.pipes]),
        )
        self.link.machine(of_machine)

    def flush(self) -> None:
        """Send all that happened, in order of time over all machines."""
        rows = [
            (entry.at, handle, k, entry)
            for _, journal, handle in self._journals
            for k, entry in enumerate(journal.read())
        ]
        for _, handle, _, entry in sorted(rows, key=lambda row: row[:3]):
            self.link.transition(handle, sent(entry))


@contextmanager
def engine_log(machine: am.Machine, level: am.LogLevel) -> Iterator[list[list[tuple[int, str]]]]:
    """The lines of each transition, as the engine says them."""
    found: list[list[tuple[int, str]]] = []

    class Watch(am.Tracer):
        def transition_end(self, transition: am.Transition) -> None:
            found.append([(int(entry.level), entry.text) for entry in transition.log_entries])

    machine.log_level = level
    tracer = Watch()
    machine.bind_tracer(tracer)
    yield found
    machine.detach_tracer(tracer)
