"""Schemas by their hash: those of this peer, and those that others sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entries import Schema
from .parse import Malformed, check_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from am_pubsub._config import TopicConfig

    from .table import Table

    Hash = Callable[[Mapping[str, Mapping[str, object]]], bytes]


class Schemas:
    """Puts schemas into the table, once they are what they are said to be."""

    def __init__(self, table: Table, config: TopicConfig, schema_hash: Hash) -> None:
        self._table = table
        self._config = config
        self._hash = schema_hash

    def add(self, wire: Mapping[str, Mapping[str, object]]) -> bytes:
        """Make a schema of this peer known and return its hash.

        :raises ValueError: if it does not fit into one message.
        """
        schema = Schema.of(self._hash(wire), wire)
        most = self._config.batch_bytes // 2
        if len(schema.packed) > most:
            raise ValueError(
                f"a schema of {len(schema.packed)} bytes does not fit into a message: "
                f"at most {most}"
            )
        self._table.schemas[schema.hash] = schema
        return schema.hash

    def learn(self, digest: bytes, wire: object) -> None:
        """Take the schema of another peer.

        :raises Malformed: if it is none, or has another hash.
        """
        if digest in self._table.schemas:
            return
        checked = check_schema(wire, self._config)
        try:
            same = self._hash(checked) == digest
        except ValueError as error:
            raise Malformed("bad schema") from error
        if not same:
            raise Malformed("schema of another hash")
        self._table.schemas[digest] = Schema.of(digest, checked)
