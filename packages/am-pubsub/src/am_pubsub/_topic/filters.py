"""Which machines of a topic are meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from am_pubsub._gossip.entries import Info, Record, Schema
    from am_pubsub._gossip.table import Table


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Machines for which all of these hold; what is left out is not asked.

    `tag` is a key (`worker` finds `worker` and `worker:3`), or a key with its value
    (`pool:main`). `states` are to be active, all of them; of `without` none. `depth` is the number
    of machines above one, `children_min` and `children_max` bound how many are right below it;
    both count what the same peer offers.

    :raises re.error: if `id_re` is no pattern.
    """

    id: str | None = None
    id_part: str | None = None
    id_re: str | None = None
    peer_id: str | None = None
    parent: str | None = None
    depth: int | None = None
    children_min: int | None = None
    children_max: int | None = None
    tag: str | None = None
    states: Iterable[str] = ()
    without: Iterable[str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "states", _names(self.states))
        object.__setattr__(self, "without", _names(self.without))
        _ = self._pattern

    @cached_property
    def _pattern(self) -> re.Pattern[str] | None:
        return re.compile(self.id_re) if self.id_re is not None else None

    def match(self, record: Record, schema: Schema, table: Table) -> bool:
        """Tell whether a machine that is there is meant."""
        info = record.info
        if info is None:
            return False
        pattern = self._pattern
        return (
            (self.id is None or info.id == self.id)
            and (self.id_part is None or self.id_part in info.id)
            and (pattern is None or pattern.search(info.id) is not None)
            and (self.peer_id is None or record.entry.key[0].hex() == self.peer_id)
            and (self.parent is None or info.parent == self.parent)
            and (self.tag is None or any(_is_tag(tag, self.tag) for tag in info.tags))
            and self._has_states(record.entry.vector, schema.names)
            and self._has_family(record, info, table)
        )

    def _has_family(self, record: Record, info: Info, table: Table) -> bool:
        if self.depth is None and self.children_min is None and self.children_max is None:
            return True
        infos = [
            one.info
            for one in table.of_peer(record.entry.key[0])
            if one.info is not None and one.entry.key[1]
        ]
        children = sum(one.parent == info.id for one in infos)
        return (
            (self.depth is None or _depth(info, infos) == self.depth)
            and (self.children_min is None or children >= self.children_min)
            and (self.children_max is None or children <= self.children_max)
        )

    def _has_states(self, vector: tuple[int, ...], names: tuple[str, ...]) -> bool:
        if not self.states and not self.without:
            return True
        active = {name for name, tick in zip(names, vector, strict=True) if tick & 1}
        return active.issuperset(self.states) and active.isdisjoint(self.without)


def _depth(info: Info, infos: list[Info]) -> int:
    """Return how many machines are above one; of those that say they are above each other, all."""
    parents = {one.id: one.parent for one in infos}
    depth, parent = 0, info.parent
    while parent in parents and depth < len(infos):
        depth, parent = depth + 1, parents[parent]
    return depth


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(str(name) for name in names)


def _is_tag(tag: str, wanted: str) -> bool:
    return tag == wanted or tag.partition(":")[0] == wanted
