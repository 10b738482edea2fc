"""Bringing a machine back from a history."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am

from .._errors import HistoryError
from .._schema_tools import as_schema
from ._file import HistoryFile, open_unchanged
from ._memory import MemoryHistory
from ._reader import Reader
from ._schema_json import plain_to_schema
from ._sqlite import SqliteHistory
from ._store import SqliteStore
from ._tables import FORMAT

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from .._schema_tools import SchemaLike
    from ._model import MachineRecord


async def load_machine(
    history: MemoryHistory | SqliteHistory | SqliteStore | HistoryFile | str | os.PathLike[str],
    machine_id: str,
    schema: SchemaLike | None = None,
    *,
    migrate: Mapping[str, str | None] | None = None,
) -> tuple[am.Snapshot, am.Schema]:
    """Return what `am.Machine.restore` needs to bring a machine back, with all of its ticks.

    ``history`` is one of the machine, or a file by its path or store, or opened for reading, which
    is quickest for many machines. It is only read, and nothing in it is executed. ``schema`` goes
    before a stored one. A history attached to the restored machine goes on with its ids.

    The schema may have changed: states are found by name. One that is new is inactive, with tick
    0. One that has gone needs a word: ``migrate`` maps its name to the one it has now, or to None
    if its ticks are to be given up. Names in it that the history does not have count for nothing,
    so the same mapping fits what was written before and after. Files of format 1 can be restored
    from as well.

    Cancelled, it returns after the file was read.

    :raises HistoryError: if the machine is not in it, there is no schema, the row is damaged,
        stored states are neither in the schema nor in ``migrate``, or two would become one.
    :raises am.SchemaError: if the schema given is faulty.
    """
    record = await _record(history, machine_id)
    if schema is not None:
        compiled = as_schema(schema)
    elif record.schema is not None:
        compiled = plain_to_schema(record.schema)
    else:
        raise HistoryError(f"no schema is stored for {machine_id!r}; give one")
    return migrated(_snapshot(record), compiled, migrate or {}), compiled


def migrated(
    snapshot: am.Snapshot, schema: am.Schema, migrate: Mapping[str, str | None]
) -> am.Snapshot:
    """Return the snapshot with the states of the schema, in its order; see `load_machine`."""
    ticks: dict[str, int] = {}
    became: dict[str, str] = {}
    vanished, doubled = [], []
    for old, tick in zip(snapshot.state_names, snapshot.time, strict=True):
        name = migrate.get(old, old)
        if name is None:
            continue
        if name not in schema:
            vanished.append(old if name == old else f"{old} (now {name}, which is not there)")
        elif name in became:
            doubled.append(f"{became[name]} and {old} as {name}")
        else:
            became[name], ticks[name] = old, tick
    if vanished:
        raise HistoryError(
            f"states of {snapshot.id!r} are not in the schema: {', '.join(vanished)};"
            " say by migrate what became of them"
        )
    if doubled:
        raise HistoryError(f"states of {snapshot.id!r} would become one: {', '.join(doubled)}")
    names = tuple(schema)
    return replace(snapshot, state_names=names, time=tuple(ticks.get(name, 0) for name in names))


async def _record(history: Any, machine_id: str) -> MachineRecord:
    if isinstance(history, MemoryHistory):
        await trio.lowlevel.checkpoint()
        if history.machine_record.machine_id != machine_id:
            raise HistoryError(f"the history has no machine {machine_id!r}")
        return history.machine_record
    if isinstance(history, HistoryFile):
        return await trio.to_thread.run_sync(history.machine, machine_id)
    known = isinstance(history, (SqliteHistory, SqliteStore))
    path = history.path if known else Path(history)

    def read() -> MachineRecord:
        with closing(Reader(open_unchanged(path, (1, FORMAT)), path)) as reader:
            return reader.machine_record(machine_id)

    return await trio.to_thread.run_sync(read)


def _snapshot(record: MachineRecord) -> am.Snapshot:
    try:
        return am.Snapshot.from_dict(
            {
                "id": record.machine_id,
                "state_names": record.state_names,
                "time": record.time,
                "queue_tick": record.queue_tick,
                "machine_tick": record.machine_tick,
            }
        )
    except am.SchemaError as exc:
        raise HistoryError(f"the row of machine {record.machine_id!r} is damaged") from exc
