"""Resolution: which states a mutation would leave active. Pure, on indexes and bit masks.

No handler, clock or argument is read here. The result depends on (kind, called, before) alone, so
callers keep it as a plan. An optional `Witness` is told each step in order of happening, for logs
and steps; without one nothing is recorded.

Rules of the order that everything else follows from: `list0` starts with the called states, then
the active ones; implied states are appended. Pass 1 judges that list backwards, so called beats
active beats implied when states remove each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._schema import Schema
    from ._state import State

ADD, REMOVE, SET = "add", "remove", "set"
KINDS = (ADD, REMOVE, SET)


class Resolution(NamedTuple):
    """The outcome of resolving a mutation by relations alone.

    `target` is the ordered set of states that would be active; `accepted` and `missing` (called
    states that are not in the target) tell whether the relations allow it; `enters` and `exits`
    are in the order in which their handlers would run.
    """

    kind: str
    called: tuple[str, ...]
    before: tuple[str, ...]
    target: tuple[str, ...]
    accepted: bool
    missing: tuple[str, ...]
    enters: tuple[str, ...]
    exits: tuple[str, ...]


class Witness(Protocol):
    """Is told the steps of a resolution, in order; states are indexes."""

    def listed(self, kind: str, list0: Sequence[int], called: Sequence[int], before: int) -> None:
        """`list0` was built."""

    def implied(self, owner: int, states: Sequence[int]) -> None:
        """`owner` adds `states`."""

    def required(self, state: int, needed: int, missing: bool) -> None:
        """A requirement of `state` was looked at."""

    def dropped(self, state: int, missing: Sequence[int]) -> None:
        """`state` goes, because required states are missing."""

    def blocked(self, state: int, removers: Sequence[int], blockers: Sequence[int]) -> None:
        """`state` goes, because others remove it; `blockers` are those not blocked themselves."""

    def ordered(self, first: int, later: int) -> None:
        """`after` put `later` behind `first`."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tables:
    """Relations of a schema by state index, as masks and as ordered tuples of indexes."""

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

    @classmethod
    def compile(cls, states: Sequence[State], index: Mapping[str, int]) -> Self:
        """Tables of sanitised states without faults."""
        bits = tuple([1 << i for i in range(len(states))])
        add = tuple([tuple([index[n] for n in s.add]) if s.add else () for s in states])
        require = tuple([tuple([index[n] for n in s.require]) if s.require else () for s in states])
        remove = [[index[n] for n in s.remove] if s.remove else () for s in states]
        after = [[index[n] for n in s.after] if s.after else () for s in states]
        rank, cyclic = require_rank(require)
        return cls(
            bits=bits,
            add=add,
            add_mask=_masks(add, bits),
            require=require,
            require_mask=_masks(require, bits),
            requirer_mask=_reversed_masks(require, bits),
            remove_mask=_masks(remove, bits),
            remover_mask=_reversed_masks(remove, bits),
            after_mask=_masks(after, bits),
            rank=rank,
            ranked=sum([bits[i] for i, r in enumerate(rank or ()) if r >= 0]),
            has_require_cycle=cyclic,
            adders=_having(add, bits),
            requirers=_having(require, bits),
            removers=_having(remove, bits),
            followers=_having(after, bits),
            auto=sum([bits[i] for i, s in enumerate(states) if s.auto]),
            multi=sum([bits[i] for i, s in enumerate(states) if s.multi]),
        )


def _masks(relation: Sequence[Sequence[int]], bits: Sequence[int]) -> tuple[int, ...]:
    # Names of one relation are unique, so their sum is their union.
    return tuple([sum([bits[t] for t in targets]) if targets else 0 for targets in relation])


def _reversed_masks(relation: Sequence[Sequence[int]], bits: Sequence[int]) -> tuple[int, ...]:
    masks = [0] * len(relation)
    for i, targets in enumerate(relation):
        for target in targets:
            masks[target] |= bits[i]
    return tuple(masks)


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


def resolve(
    t: Tables,
    kind: str,
    called: tuple[int, ...],
    before: int,
    active: Sequence[int],
    witness: Witness | None = None,
) -> list[int]:
    """The ordered target of a mutation. `active` is `before` as indexes in index order."""
    bits = t.bits
    called_mask = 0
    for i in called:
        called_mask |= bits[i]
    if kind == ADD:
        listed = [*called, *[i for i in active if not called_mask & bits[i]]]
        mask = called_mask | before
    elif kind == SET:
        listed = list(called)
        mask = called_mask
    else:
        listed = [i for i in active if not called_mask & bits[i]]
        mask = before & ~called_mask
    if witness is not None:
        witness.listed(kind, listed, called, before)
    # What is active already does not imply again, unless multi; a remove re-adds nothing it calls.
    quiet = before & ~t.multi
    banned = called_mask if kind == REMOVE else 0

    # Pass 1: imply, require, then judge backwards; a blocked state cannot block.
    mask = _imply(t, listed, mask, quiet, banned, witness)
    kept_mask = _keep_required(t, listed, mask, witness)
    if kept_mask != mask:
        listed = [i for i in listed if kept_mask & bits[i]]
    kept = _judge(t, listed, kept_mask, witness)

    # Pass 2: imply again from what was kept, so that a state comes back whose blocker was blocked.
    struck = 0
    kept_mask = 0
    removers = t.removers
    for i in kept:
        kept_mask |= bits[i]
        if removers & bits[i]:
            struck |= t.remove_mask[i]
    mask = _imply(t, kept, kept_mask, quiet, banned, witness)
    mask &= ~struck
    kept.reverse()
    mask = _keep_required(
        t, [i for i in kept if mask & bits[i]] if witness else kept, mask, witness
    )
    return order(t, [i for i in kept if mask & bits[i]], mask, witness)


def _imply(
    t: Tables, out: list[int], mask: int, quiet: int, banned: int, witness: Witness | None
) -> int:
    """Append what the states in `out` add, transitively, breadth first; returns the new mask."""
    if not mask & t.adders & ~quiet:
        return mask
    bits = t.bits
    add_mask = t.add_mask
    for owner in out:  # grows while it is walked
        fresh = add_mask[owner] & ~(mask | banned)
        if fresh and not quiet & bits[owner]:
            mask |= fresh
            states = [state for state in t.add[owner] if fresh & bits[state]]
            out += states
            if witness is not None:
                witness.implied(owner, states)
    return mask


def _keep_required(t: Tables, listed: Sequence[int], mask: int, witness: Witness | None) -> int:
    """Drop, sweep after sweep, each state that requires one outside; returns what is left."""
    if not mask & t.requirers:
        return mask
    require_mask = t.require_mask
    if witness is not None:
        return _keep_required_witnessed(t, listed, mask, witness)
    rest = mask & t.requirers
    while rest:
        dropped = 0
        next_ones = 0
        while rest:
            low = rest & -rest
            rest ^= low
            i = low.bit_length() - 1
            if require_mask[i] & ~mask:
                dropped |= low
                next_ones |= t.requirer_mask[i]
        mask &= ~dropped
        # Only what requires a dropped state can fall in the next sweep.
        rest = next_ones & mask
    return mask


def _keep_required_witnessed(t: Tables, listed: Sequence[int], mask: int, witness: Witness) -> int:
    bits = t.bits
    while True:
        dropped = 0
        for i in listed:
            if not mask & bits[i]:
                continue
            missing = [r for r in t.require[i] if not mask & bits[r]]
            for needed in t.require[i]:
                witness.required(i, needed, needed in missing)
            if missing:
                dropped |= bits[i]
                witness.dropped(i, missing)
        if not dropped:
            return mask
        mask &= ~dropped


def _judge(t: Tables, listed: list[int], mask: int, witness: Witness | None) -> list[int]:
    """Walk backwards; a state that an unblocked one removes is blocked. Result is reversed too."""
    if not mask & t.removers:
        return listed[::-1]
    bits = t.bits
    remover_mask = t.remover_mask
    unblocked = mask
    kept = []
    for i in reversed(listed):
        blockers = remover_mask[i] & unblocked
        if not blockers:
            kept.append(i)
            continue
        unblocked &= ~bits[i]
        if witness is not None:
            removing = [b for b in listed if remover_mask[i] & bits[b]]
            witness.blocked(i, removing, [b for b in removing if blockers & bits[b]])
    return kept


def order(t: Tables, listed: list[int], mask: int, witness: Witness | None = None) -> list[int]:
    """Stable sort by require rank, then `after` as a stable topological sort."""
    if t.rank is not None and mask & t.ranked:
        listed.sort(key=t.rank.__getitem__)
    after = t.after_mask
    rest = mask & t.followers
    bound = 0  # the states that must wait for another of the list
    while rest:
        low = rest & -rest
        rest ^= low
        if after[low.bit_length() - 1] & mask:
            bound |= low
    if not bound:
        return listed
    bits = t.bits
    placed = []
    remaining = listed
    told: set[tuple[int, int]] = set()
    while remaining:
        # The first that waits for none of the rest; in a cycle the first.
        pick = 0
        for position, i in enumerate(remaining):
            if not (bound & bits[i] and after[i] & mask):
                pick = position
                break
            if witness is not None:
                first = next(other for other in remaining if after[i] & bits[other])
                if (first, i) not in told:
                    told.add((first, i))
                    witness.ordered(first, i)
        i = remaining.pop(pick)
        mask &= ~bits[i]
        placed.append(i)
    return placed


def entered(
    t: Tables, kind: str, called: Sequence[int], before: int, target: Sequence[int]
) -> list[int]:
    """States that are entered, in target order: inactive before, or called and multi."""
    bits = t.bits
    again = 0
    for i in called:
        again |= bits[i] & t.multi
    return [i for i in target if not before & bits[i] or again & bits[i]]


def exited(t: Tables, before: int, target_mask: int) -> list[int]:
    """States that are left, in index order, then in `order`."""
    mask = before & ~target_mask
    if not mask:
        return []
    listed = []
    rest = mask
    while rest:
        low = rest & -rest
        listed.append(low.bit_length() - 1)
        rest ^= low
    return order(t, listed, mask) if len(listed) > 1 else listed


def accepts(
    t: Tables, kind: str, called: Sequence[int], missing: int, *, is_auto: bool, is_check: bool
) -> bool:
    """Whether relations accept a mutation that `missing` of the called states did not survive."""
    if kind == REMOVE or not missing:
        # Of an auto mutation at least one called state must have made it.
        return not is_auto or kind == REMOVE or len(called) > 0
    if is_auto:
        return missing < len(called)
    return is_check and any(t.multi & t.bits[i] for i in called)


def resolution(
    schema: Schema,
    kind: str,
    called: tuple[int, ...],
    before: int,
    *,
    is_auto: bool = False,
    is_check: bool = False,
) -> Resolution:
    """`resolve`, with names for indexes."""
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not one of add, remove, set")
    from ._schema import bits_of

    t = schema.tables
    names = schema.names
    active = bits_of(before)
    target = resolve(t, kind, called, before, active)
    target_mask = sum([t.bits[i] for i in target])
    missing = [i for i in called if not target_mask & t.bits[i]]
    ok = accepts(t, kind, called, len(missing), is_auto=is_auto, is_check=is_check)

    def named(indexes: Sequence[int]) -> tuple[str, ...]:
        return tuple([names[i] for i in indexes])

    return Resolution(
        kind=str(kind),
        called=named(called),
        before=named(active),
        target=named(target),
        accepted=ok,
        missing=() if kind == REMOVE else named(missing),
        enters=named(entered(t, kind, called, before, target)) if ok else (),
        exits=named(exited(t, before, target_mask)) if ok else (),
    )
