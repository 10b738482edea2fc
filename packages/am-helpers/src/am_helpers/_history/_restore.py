"""Bringing a machine back from a history."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trio

import am_machine as am

from .._errors import HistoryError
from .._schema_tools import as_schema
from ._memory import MemoryHistory
from ._reader import Reader
from ._schema_json import plain_to_schema
from ._sqlite import SqliteHistory
from ._tables import open_reader

if TYPE_CHECKING:
    import os

    from .._schema_tools import SchemaLike
    from ._model import MachineRecord


async def load_machine(
    history: MemoryHistory | SqliteHistory | str | os.PathLike[str],
    machine_id: str,
    schema: SchemaLike | None = None,
) -> tuple[am.Snapshot, am.Schema]:
    """Return what `am.Machine.restore` needs to bring a machine back, with all of its ticks.

    ``history`` is one of the machine or the path of a file; ``schema`` goes before a stored one.
    Nothing stored is executed. A history attached to the restored machine goes on with its ids.

    :raises HistoryError: if the machine is not in it, there is no schema, or the row is damaged.
    :raises am.SchemaError: if the schema given is faulty.
    """
    record = await _record(history, machine_id)
    snapshot = _snapshot(record)
    if schema is not None:
        return snapshot, as_schema(schema)
    if record.schema is None:
        raise HistoryError(f"no schema is stored for {machine_id!r}; give one")
    return snapshot, plain_to_schema(record.schema)


async def _record(history: Any, machine_id: str) -> MachineRecord:
    if isinstance(history, MemoryHistory):
        await trio.lowlevel.checkpoint()
        if history.machine_record.machine_id != machine_id:
            raise HistoryError(f"the history has no machine {machine_id!r}")
        return history.machine_record
    path = history.path if isinstance(history, SqliteHistory) else Path(history)

    def read() -> MachineRecord:
        try:
            with closing(open_reader(path)) as connection:
                return Reader(connection, machine_id).machine_record()
        except sqlite3.Error as exc:
            raise HistoryError(f"cannot read {path}: {exc}") from exc

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
