"""Machines that go on from a snapshot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._errors import SchemaError
from .._schema.schema import Schema
from .._schema.states import compile_schema
from .._watch.log import LogLevel, emit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._schema.states import States
    from .._snapshot import Snapshot
    from .machine import Machine


def schema_for(snapshot: Snapshot, schema: Schema | type[States] | Mapping[str, Any]) -> Schema:
    """Compile a schema in the order of states of a snapshot.

    :raises SchemaError: if the two name different states.
    """
    compiled = compile_schema(schema)
    snapshot.check()
    missing = set(compiled.names) - set(snapshot.state_names)
    unknown = set(snapshot.state_names) - set(compiled.names)
    if missing or unknown:
        raise SchemaError(
            *[f"the snapshot has no state {name}" for name in sorted(missing)],
            *[f"the schema has no state {name}" for name in sorted(unknown)],
        )
    if compiled.names == snapshot.state_names:
        return compiled
    ordered = {name: compiled[name] for name in snapshot.state_names}
    return Schema(ordered, groups=compiled.groups)


def wind(machine: Machine, snapshot: Snapshot) -> None:
    """Set the clocks of a new machine to those of a snapshot."""
    machine._ticks = list(snapshot.time)
    active = sum([1 << i for i, tick in enumerate(snapshot.time) if tick & 1])
    machine._time_offset = sum(snapshot.time) - machine._queue_tick
    machine._conf = machine._book.configuration(active)
    machine._machine_tick = snapshot.machine_tick + 1
    for journal in machine._listening.journals:
        journal.rebase()
    machine._retune()
    told = f"imported {machine._machine_tick} times, now at {sum(machine._ticks)} ticks"
    emit(machine, LogLevel.CHANGES, f"[import] {told}")
    if "MachineRestored" in machine._schema.index:
        machine.add("MachineRestored")
