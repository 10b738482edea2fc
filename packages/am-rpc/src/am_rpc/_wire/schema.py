"""A machine's schema as plain data, and its fingerprint.

Only what decides behaviour travels: flags and relations. Args classes, tags and docs stay home.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from weakref import ref

import am_machine as am

from .._errors import InvalidParams, InvalidResponse
from .codec import pack
from .parse import boolean, mapping, names

if TYPE_CHECKING:
    from collections.abc import Mapping

_FLAGS: Final = ("auto", "multi")
_RELATIONS: Final = ("require", "add", "remove", "after")


def schema_to_wire(schema: Mapping[str, am.State]) -> dict[str, dict[str, Any]]:
    """Return name -> properties that are not empty, in index order."""
    wire: dict[str, dict[str, Any]] = {}
    for name, state in schema.items():
        body: dict[str, Any] = {flag: True for flag in _FLAGS if getattr(state, flag)}
        for relation in _RELATIONS:
            related = getattr(state, relation)
            if related:
                body[relation] = [str(other) for other in related]
        wire[str(name)] = body
    return wire


def schema_from_wire(wire: Mapping[str, Any]) -> am.Schema:
    """Return the schema that a peer described, or raise `InvalidResponse`."""
    states: dict[str, dict[str, Any]] = {}
    try:
        for name, body in wire.items():
            body = mapping(body, "state")
            state: dict[str, Any] = {
                flag: boolean(body[flag], flag) for flag in _FLAGS if flag in body
            }
            for relation in _RELATIONS:
                if relation in body:
                    state[relation] = names(body[relation], relation)
            states[name] = state
        schema = am.Schema(states)
    except (am.SchemaError, InvalidParams) as error:
        raise InvalidResponse(f"schema: {error}") from error
    if len(schema) != len(wire):
        raise InvalidResponse("schema: Exception is missing")
    return schema


# By identity, for equal schemas may have their states in another order.
_hashes: dict[int, tuple[ref[am.Schema], bytes]] = {}


def schema_hash(schema: Mapping[str, am.State]) -> bytes:
    """Return the first 16 bytes of the SHA-256 of the schema's canonical form."""
    known = _hashes.get(id(schema))
    if known is not None and known[0]() is schema:
        return known[1]
    rows = [
        [name, body.get("auto", False), body.get("multi", False)]
        + [body.get(relation, []) for relation in _RELATIONS]
        for name, body in schema_to_wire(schema).items()
    ]
    found = sha256(pack(rows)).digest()[:16]
    if isinstance(schema, am.Schema):
        number = id(schema)
        _hashes[number] = (ref(schema, lambda _: _forget(number)), found)
    return found


def _forget(number: int) -> None:
    known = _hashes.get(number)
    # Another schema may have the number by now.
    if known is not None and known[0]() is None:
        _hashes.pop(number, None)
