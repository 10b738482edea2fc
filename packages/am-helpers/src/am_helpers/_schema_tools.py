"""Schemas as values: hashing, prefixing, and growing a machine by parts of another schema."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import md5
from typing import TYPE_CHECKING, Any, TypeAlias

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Iterable

SchemaLike: TypeAlias = am.Schema | type[am.States] | Mapping[str, Any]

RELATIONS = ("require", "add", "remove", "after")


def as_schema(schema: SchemaLike) -> am.Schema:
    """Return the compiled form of a schema, a States class or a dict.

    :raises am.SchemaError: with every fault listed.
    """
    return am.compile_schema(schema)


def schema_hash(schema: SchemaLike) -> str:
    """Return 6 hex characters that identify states, properties and relations.

    The order of the index does not count. The hash is for noticing changes, not for security.
    """
    compiled = as_schema(schema)
    parts = []
    for name in sorted(compiled):
        state = compiled[name]
        parts.append(f"{name}:" + "a," * state.auto + "m," * state.multi)
        for related in (state.after, state.remove, state.add, state.require):
            parts.append("".join(f"{other}," for other in sorted(related)) + ";")
    return md5("".join(parts).encode(), usedforsecurity=False).hexdigest()[:6]


def copy_schema(
    source_schema: SchemaLike, mach: am.BaseMachine, states: Iterable[str]
) -> tuple[str, ...]:
    """Grow a local machine by states of another schema; return the names that are new to it.

    States which the machine has already keep their definition.

    :raises am.UnknownStateError: if the source lacks a state.
    :raises am.SchemaError: if a relation leads to a state the grown machine would not have.
    """
    source = as_schema(source_schema)
    wanted = tuple(states)
    source.indexes(wanted)
    grown = dict(mach.schema)
    new = tuple(name for name in dict.fromkeys(wanted) if name not in grown)
    if new:
        grown.update((name, source[name]) for name in new)
        mach.set_schema(am.Schema(grown, groups=mach.schema.groups), tuple(grown))
    return new


def prefix_states(
    schema: SchemaLike,
    prefix: str,
    only: Iterable[str] | None = None,
    skip: Iterable[str] | None = None,
) -> am.Schema:
    """Return the schema with names and relations prefixed, to be merged into another one.

    ``Exception`` stays as it is. ``only`` and ``skip`` choose states by their names without
    prefix; relations to states left out are dropped.
    """
    source = as_schema(schema)
    wanted = set(source if only is None else only) - set(skip or ())
    source.indexes(sorted(wanted))
    renamed = {
        name: name if name == "Exception" else prefix + name
        for name in source
        if name in wanted or name == "Exception"
    }

    def moved(names: Iterable[str]) -> list[str]:
        return [renamed[name] for name in names if name in renamed]

    states = {}
    for old, new in renamed.items():
        state = source[old]
        relations = {kind: moved(getattr(state, kind)) for kind in RELATIONS}
        states[new] = am.State(
            auto=state.auto, multi=state.multi, args=state.args, tags=state.tags, doc=state.doc,
            **relations,
        )  # fmt: skip
    groups = {prefix + group: moved(members) for group, members in source.groups.items()}
    return am.Schema(states, groups=groups)


def tag_value(tags: Iterable[str], key: str) -> str | None:
    """Return the value of the tag ``key:value``, ``""`` for a bare ``key``, None if absent."""
    for tag in tags:
        name, _, value = tag.partition(":")
        if name == key:
            return value
    return None
