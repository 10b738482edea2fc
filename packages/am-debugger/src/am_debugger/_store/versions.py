"""Schemas as sent, and the versions of a machine: which schema and handlers held from when on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import am_machine as am

from .._errors import BadMessageError
from .layout import WATCHED

if TYPE_CHECKING:
    from am_telemetry.dbg import PipeDef, SchemaDef

_TEXTS_BYTES = 60
_CHAR_BYTES = 2
MOST_NAME = 1024
"""Characters of a name at most: of a state, a group, a handler, or a machine's id."""
_STATE_BYTES = 900


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A schema: compiled, and as it was sent, to be sent on."""

    schema: am.Schema
    sent: SchemaDef
    chars: int = 0
    """Characters of all its texts."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states in index order."""
        return self.schema.names

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return _STATE_BYTES * len(self.schema.names) + _CHAR_BYTES * self.chars


@dataclass(frozen=True, slots=True)
class Version:
    """What held of a machine from transition `since` on."""

    since: int
    schema: SchemaVersion
    names: tuple[str, ...]
    """Names of the states in index order."""
    handlers: tuple[str, ...]
    pipes: tuple[PipeDef, ...]
    watched: tuple[int, ...]
    """Indexes of the states of WATCHED, -1 where there is none."""

    @property
    def nbytes(self) -> int:
        """Bytes held beside the schema, roughly."""
        return 300 + _TEXTS_BYTES * (len(self.handlers) + 4 * len(self.pipes))


def watched_of(schema: am.Schema) -> tuple[int, ...]:
    """The indexes of the watched states in a schema, -1 where there is none."""
    return tuple([schema.index.get(name, -1) for name in WATCHED])


def compile_sent(sent: SchemaDef) -> SchemaVersion:
    """Compile a schema as sent; tags and docs come along, relations are indexes there.

    :raises BadMessageError: if it is none.
    """
    names = sent.names
    longest = max(map(len, (*names, *[group for group, _ in sent.groups])), default=0)
    if longest > MOST_NAME:
        raise BadMessageError(f"not a schema: a name of {longest} characters")
    states = {
        name: am.State(
            auto=state.auto,
            multi=state.multi,
            require=[names[i] for i in state.require],
            add=[names[i] for i in state.add],
            remove=[names[i] for i in state.remove],
            after=[names[i] for i in state.after],
            tags=state.tags,
            doc=state.doc,
        )
        for name, state in zip(names, sent.states, strict=True)
    }
    groups = {group: [names[i] for i in members] for group, members in sent.groups}
    try:
        schema = am.Schema(states, groups=groups)
    except (ValueError, TypeError) as exc:
        raise BadMessageError(f"not a schema: {exc!s:.500}") from exc
    if schema.names != names:
        raise BadMessageError("not a schema: a name occurs twice, or Exception is missing")
    docs = sum([len(state.doc) + sum(map(len, state.tags)) for state in sent.states])
    return SchemaVersion(schema, sent, docs + sum(map(len, names)))
