"""How the last term of a query may go on: names of states, machines, tags, groups, args, fields."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .._store.layout import KINDS
from .._store.tx import ARGS, rests_of
from .terms import COMPARED, PATTERNS, SIGNS, WORDS, quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .._store.client import Client
    from .._store.store import Store

_TERM = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*(?:"|\\?\Z))+', re.DOTALL)
# Where names of arguments are looked for: of so many machines the latest transitions.
_ARG_MACHINES, _ARG_TRANSITIONS = 50, 200


def completions(store: Store, text: str) -> list[str]:
    """What the query may be when its last term is written in full, the likeliest first."""
    terms = [*_TERM.finditer(text)]
    term = terms[-1][0] if terms and terms[-1].end() == len(text) else ""
    sign = "!" if term.startswith("!") else ""
    begun = term[len(sign) :]
    if not begun:
        return []
    head = text[: len(text) - len(begun)]
    names = sorted({*_candidates(store, begun)}, key=lambda name: (len(name), name))
    return [head + name for name in names if name.startswith(begun) and name != begun]


def _candidates(store: Store, begun: str) -> Iterable[str]:
    if begun[0] in SIGNS:
        return [begun[0] + name for name in _states(store)]
    if begun[0].isupper():
        return _states(store)
    field, colon, _ = begun.partition(":")
    if colon:
        values = _VALUES[field](store) if field in _VALUES else ()
        return [f"{field}:{quoted(value)}" for value in values]
    if begun.startswith("arg."):
        return [f"arg.{name}=" for name in _args(store)]
    return [*WORDS, *[f"{one}:" for one in PATTERNS], *[f"{one}>" for one in COMPARED], "arg."]


def _states(store: Store) -> set[str]:
    schemas = {id(client.version.schema): client.version for client in store}
    return {name for version in schemas.values() for name in version.names}


def _groups(store: Store) -> set[str]:
    schemas = {id(client.version.schema): client.version.schema for client in store}
    return {group for version in schemas.values() for group in version.schema.groups}


def _sources(store: Store) -> set[str]:
    chunks = [chunk for client in store for chunk in client.columns.chunks]
    return {source for chunk in chunks for source in chunk.sources if source is not None}


def _tags(store: Store) -> set[str]:
    return {part for one in store for tag in one.tags for part in (tag, tag.partition(":")[0])}


def _args(store: Store) -> set[str]:
    found: set[str] = set()
    for client, _ in zip(store, range(_ARG_MACHINES), strict=False):
        found.update(_args_of(client))
    return {name for name in found if re.fullmatch(r'[^\s"=~]+', name)}


def _args_of(client: Client) -> set[str]:
    first = max(client.first, client.last - _ARG_TRANSITIONS)
    rests = rests_of(client.columns, first, client.last)
    return {name for rest in rests if len(rest) > ARGS for name in rest[ARGS] or ()}


_VALUES: dict[str, Callable[[Store], Iterable[str]]] = {
    "kind": lambda store: KINDS,
    "id": lambda store: [client.id for client in store],
    "src": _sources,
    "tag": _tags,
    "group": _groups,
}
