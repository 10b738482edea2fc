"""Real machines, recorded as their exporter would: what the journal tells becomes messages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import am_machine as am
from am_debugger._store.layout import Flag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from am_debugger._store.link import Link

KINDS = ("add", "remove", "set")
RELATIONS = ("require", "add", "remove", "after")


def wire_schema(schema: am.Schema) -> dict[str, Any]:
    """A schema as sent."""
    states: dict[str, Any] = {}
    for name, state in schema.items():
        told: dict[str, Any] = {key: True for key in ("auto", "multi") if getattr(state, key)}
        for relation in RELATIONS:
            others = getattr(state, relation)
            if others:
                told[relation] = [schema.index[other] for other in others]
        if state.tags:
            told["tags"] = list(state.tags)
        states[str(name)] = told
    groups = [[g, [schema.index[name] for name in names]] for g, names in schema.groups.items()]
    return {"names": [str(name) for name in schema.names], "states": states, "groups": groups}


def row_of(entry: am.JournalEntry) -> list[Any]:
    """A journal entry as sent."""
    flags = Flag.ACCEPTED if entry.accepted else Flag(0)
    flags |= Flag.AUTO if entry.is_auto else Flag(0)
    flags |= Flag.ERROR if entry.failed is not None else Flag(0)
    failed = [*entry.vetoed, *([entry.failed] if entry.failed else [])]
    source = None
    if entry.source is not None:
        told = entry.source
        source = [told.machine_id, bytes.fromhex(told.transition_id), told.time]
    return [
        bytes.fromhex(entry.id),
        entry.at,
        KINDS.index(entry.kind),
        int(flags),
        list(entry.called),
        [part for pair in entry.changes for part in pair],
        entry.queue_tick,
        source,
        dict(entry.args) or None,
        *[None] * 4,
        failed or None,
        None,
        None,
    ]


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
        ident = repr(sorted(wire_schema(machine.schema)["states"].items())).encode()[:60]
        self.link.schema(ident, wire_schema(machine.schema))
        told = {
            "id": machine.id,
            "parent": machine.parent.id if machine.parent else None,
            "tags": list(machine.tags),
            "hash": ident,
            "handlers": list(machine.handler_names),
            "time": list(machine.time()),
            "pipes": [list(pipe) for pipe in machine.sem_log.pipes],
        }
        self.link.machine(handle, told)

    def flush(self) -> None:
        """Send all that happened, in order of time over all machines."""
        rows = [
            (entry.at, handle, k, entry)
            for _, journal, handle in self._journals
            for k, entry in enumerate(journal.read())
        ]
        for _, handle, _, entry in sorted(rows, key=lambda row: row[:3]):
            self.link.transition(handle, row_of(entry))


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
