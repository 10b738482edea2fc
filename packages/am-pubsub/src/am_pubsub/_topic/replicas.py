"""Replicas of other peers' machines, made when somebody asks for them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import am_rpc
from am_rpc.wire import schema_from_wire

from .debugging import replica_tags, tune_replica

if TYPE_CHECKING:
    import am_machine as am
    from am_pubsub._gossip.entries import Key, Record, Schema

_SCHEMAS = 256
"""Schemas that are kept ready for the next machine of the same kind."""


class Replicas:
    """Machines by peer and index, each true to its record."""

    def __init__(self, parent: am.Machine) -> None:
        self._parent = parent
        self._made: dict[Key, am_rpc.NetworkMachine] = {}
        self._schemas: dict[bytes, am.Schema] = {}

    def get(self, record: Record, schema: Schema) -> am_rpc.NetworkMachine:
        """Return the replica of a machine that is there."""
        made = self._made.get(record.entry.key)
        if made is None:
            made = self._made[record.entry.key] = self._make(record, schema)
        return made

    def update(self, record: Record, schema: Schema) -> None:
        """Let a replica, if there is one, be as its record; its schema may have grown."""
        made = self._made.get(record.entry.key)
        if made is None:
            return
        if len(made.schema) < len(schema.names):
            made.grow(self._schema(schema))
        before, vector = made.time(), record.entry.vector
        moved = [
            (at, new - old)
            for at, (old, new) in enumerate(zip(before, vector, strict=True))
            if new > old
        ]
        if moved:
            made.advance(moved, kind="set", queue_tick=made.queue_tick + 1)

    def remove(self, key: Key) -> None:
        """End the replica of a machine that is gone: its waits end as on dispose."""
        made = self._made.pop(key, None)
        if made is not None:
            made.dispose()

    def _make(self, record: Record, schema: Schema) -> am_rpc.NetworkMachine:
        (peer, _), info = record.entry.key, record.info
        assert info is not None
        replica = am_rpc.NetworkMachine(
            None,
            self._schema(schema),
            remote_id=info.id,
            remote_parent=info.parent or None,
            parent=self._parent,
            id=f"ps-{info.id}-{secrets.token_hex(2)}",
            tags=(*replica_tags(), f"src-id:{info.id}", f"peer:{peer.hex()}", *info.tags),
        )
        replica.reset_clock(record.entry.vector, queue_tick=0, machine_tick=0)
        tune_replica(replica)
        return replica

    def _schema(self, schema: Schema) -> am.Schema:
        """Return a schema made once for all machines of it."""
        made = self._schemas.get(schema.hash)
        if made is None:
            if len(self._schemas) >= _SCHEMAS:
                self._schemas.clear()
            made = self._schemas[schema.hash] = schema_from_wire(schema.wire)
        return made
