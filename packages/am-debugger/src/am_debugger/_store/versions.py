"""Schemas as sent, and the versions of a machine: which schema and handlers held from when on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import am_machine as am

from .._errors import BadMessageError
from .layout import WATCHED

if TYPE_CHECKING:
    from collections.abc import Mapping

_RELATIONS = ("require", "add", "remove", "after")
_TEXTS_BYTES = 60
_STATE_BYTES = 900


@dataclass(frozen=True, slots=True)
class SchemaVersion:
    """A schema as sent: `wire` is what came, to be sent on, and `hash` its name."""

    hash: bytes
    schema: am.Schema
    wire: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states in index order."""
        return self.schema.names

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return _STATE_BYTES * len(self.schema.names)


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe end as sent: what `state` does to (out), or gets from (in), another machine."""

    direction: str
    kind: str
    state: str
    machine_id: str


@dataclass(frozen=True, slots=True)
class Version:
    """What held of a machine from transition `since` on."""

    since: int
    schema: SchemaVersion
    handlers: tuple[str, ...]
    pipes: tuple[Pipe, ...]
    watched: tuple[int, ...]
    """Indexes of the states of WATCHED, -1 where there is none."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the states in index order."""
        return self.schema.names

    @property
    def nbytes(self) -> int:
        """Bytes held beside the schema, roughly."""
        return 300 + _TEXTS_BYTES * (len(self.handlers) + 4 * len(self.pipes))


def watched_of(schema: am.Schema) -> tuple[int, ...]:
    """The indexes of the watched states in a schema, -1 where there is none."""
    return tuple([schema.index.get(name, -1) for name in WATCHED])


def schema_from_wire(ident: bytes, wire: Mapping[str, Any]) -> SchemaVersion:
    """Compile a schema as sent; tags and docs come along, relations are indexes there.

    :raises BadMessageError: if it is none.
    """
    try:
        names = [_text(name) for name in wire["names"]]
        states = {name: _state(name, wire["states"].get(name, {}), names) for name in names}
        groups = {
            _text(group): [names[_index(i)] for i in members]
            for group, members in wire.get("groups") or ()
        }
        schema = am.Schema(states, groups=groups)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as exc:
        raise BadMessageError(f"not a schema: {type(exc).__name__}: {exc!s:.500}") from exc
    if schema.names != tuple(names):
        raise BadMessageError("not a schema: a name occurs twice, or Exception is missing")
    return SchemaVersion(ident, schema, wire)


def _state(name: str, wire: Mapping[str, Any], names: list[str]) -> am.State:
    relations: dict[str, Any] = {
        kind: [names[_index(i)] for i in wire.get(kind) or ()] for kind in _RELATIONS
    }
    return am.State(
        auto=bool(wire.get("auto", False)),
        multi=bool(wire.get("multi", False)),
        tags=[_text(tag) for tag in wire.get("tags") or ()],
        doc=_text(wire.get("doc") or ""),
        **relations,
    )


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError(f"{value!r:.100} is no text")
    return value


def _index(value: object) -> int:
    if type(value) is not int or value < 0:
        raise TypeError(f"{value!r:.100} is no index")
    return value


def pipes_from_wire(wire: object) -> tuple[Pipe, ...]:
    """Pipe ends as sent.

    :raises BadMessageError: if they are none.
    """
    try:
        pipes = [Pipe(*[_text(part) for part in pipe]) for pipe in wire or ()]  # type: ignore[attr-defined]
    except TypeError as exc:
        raise BadMessageError(f"not pipes: {exc!s:.200}") from exc
    return tuple(pipes)


def handlers_from_wire(wire: object) -> tuple[str, ...]:
    """Names of bound handlers as sent.

    :raises BadMessageError: if they are none.
    """
    try:
        return tuple([_text(name) for name in wire or ()])  # type: ignore[attr-defined]
    except TypeError as exc:
        raise BadMessageError(f"not names of handlers: {exc!s:.200}") from exc
