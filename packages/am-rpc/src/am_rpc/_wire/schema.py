"""A machine's schema as plain data, and its fingerprint.

Only what decides behaviour travels: flags and relations. Args classes, tags and docs stay home.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

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


def schema_hash(schema: Mapping[str, am.State]) -> bytes:
    """Return the first 16 bytes of the SHA-256 of the schema's canonical form."""
    rows = [
        [name, body.get("auto", False), body.get("multi", False)]
        + [body.get(relation, []) for relation in _RELATIONS]
        for name, body in schema_to_wire(schema).items()
    ]
    return sha256(pack(rows)).digest()[:16]
