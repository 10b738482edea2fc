"""Relations of a schema by state index, compiled to bit masks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .state import State


class Tables:
    """Relations of a schema by state index, as masks and as ordered tuples of indexes.

    Nobody changes one after it was made; no dataclass, since writing one delays every start.
    """

    __slots__ = (
        "add",
        "add_mask",
        "adders",
        "after_mask",
        "auto",
        "bits",
        "bound",
        "followers",
        "has_require_cycle",
        "multi",
        "rank",
        "ranked",
        "remove_mask",
        "remover_mask",
        "removers",
        "require",
        "require_mask",
        "requirer_mask",
        "requirers",
    )

    bits: tuple[int, ...]
    add: tuple[tuple[int, ...], ...]
    add_mask: tuple[int, ...]
    require: tuple[tuple[int, ...], ...]
    require_mask: tuple[int, ...]
    # requirer_mask[i]: the states that require state i.
    requirer_mask: tuple[int, ...]
    remove_mask: tuple[int, ...]
    # remover_mask[i]: the states that remove state i.
    remover_mask: tuple[int, ...]
    after_mask: tuple[int, ...]
    # Require rank: required states have a lower one; None if there is nothing to order by.
    rank: tuple[int, ...] | None
    ranked: int
    has_require_cycle: bool
    adders: int
    requirers: int
    removers: int
    followers: int
    auto: int
    multi: int
    # States that imply, require, remove or follow others, or are ranked.
    bound: int

    def are_free(self, mask: int) -> bool:
        """Whether relations decide nothing among these states: none has any."""
        return not mask & self.bound

    @classmethod
    def compile(cls, states: Sequence[State], index: Mapping[str, int]) -> Self:
        """Tables of sanitised states without faults."""
        bits = tuple([1 << i for i in range(len(states))])
        add = tuple([tuple([index[n] for n in s.add]) if s.add else () for s in states])
        require = tuple([tuple([index[n] for n in s.require]) if s.require else () for s in states])
        remove = [[index[n] for n in s.remove] if s.remove else () for s in states]
        after = [[index[n] for n in s.after] if s.after else () for s in states]
        rank, cyclic = require_rank(require)
        ranked = sum([bits[i] for i, r in enumerate(rank or ()) if r >= 0])
        tables = cls()
        tables.bits = bits
        tables.add = add
        tables.add_mask = _masks(add, bits)
        tables.require = require
        tables.require_mask = _masks(require, bits)
        tables.requirer_mask = _reversed_masks(require, bits)
        tables.remove_mask = _masks(remove, bits)
        tables.remover_mask = _reversed_masks(remove, bits)
        tables.after_mask = _masks(after, bits)
        tables.rank = rank
        tables.ranked = ranked
        tables.has_require_cycle = cyclic
        tables.adders = _having(add, bits)
        tables.requirers = _having(require, bits)
        tables.removers = _having(remove, bits)
        tables.followers = _having(after, bits)
        tables.auto = sum([bits[i] for i, s in enumerate(states) if s.auto])
        tables.multi = sum([bits[i] for i, s in enumerate(states) if s.multi])
        tables.bound = ranked | _having([*map(_any_of, add, require, remove, after)], bits)
        return tables


def _masks(relation: Sequence[Sequence[int]], bits: Sequence[int]) -> tuple[int, ...]:
    # Names of one relation are unique, so their sum is their union.
    return tuple([sum([bits[t] for t in targets]) if targets else 0 for targets in relation])


def _reversed_masks(relation: Sequence[Sequence[int]], bits: Sequence[int]) -> tuple[int, ...]:
    masks = [0] * len(relation)
    for i, targets in enumerate(relation):
        for target in targets:
            masks[target] |= bits[i]
    return tuple(masks)


def _any_of(*relations: Sequence[int]) -> Sequence[int]:
    return next((states for states in relations if states), ())


def _having(relation: Sequence[Sequence[int]], bits: Sequence[int]) -> int:
    return sum([bits[i] for i, targets in enumerate(relation) if targets])


def require_rank(require: Sequence[Sequence[int]]) -> tuple[tuple[int, ...] | None, bool]:
    """Depth-first post-order over `require`, and whether it has a cycle (then nothing is ranked).

    States in no require edge rank -1, so a stable sort leaves them first.
    """
    rank = [-1] * len(require)
    if not any(require):
        return None, False
    todo, open_, done = 0, 1, 2
    colour = [todo] * len(require)
    count = 0
    for start, needs in enumerate(require):
        if not needs or colour[start] != todo:
            continue
        # An explicit stack: a chain may be as long as a schema is large.
        colour[start] = open_
        stack = [(start, iter(needs))]
        while stack:
            state, rest = stack[-1]
            for needed in rest:
                if colour[needed] == open_:
                    return None, True
                if colour[needed] == todo:
                    colour[needed] = open_
                    stack.append((needed, iter(require[needed])))
                    break
            else:
                stack.pop()
                colour[state] = done
                rank[state] = count
                count += 1
    return tuple(rank), False
