"""Resolution: which states a mutation would leave active. Pure, on indexes and bit masks.

No handler, clock or argument is read here. The result depends on (kind, called, before) alone, so
callers keep it as a plan. An optional `Witness` is told each step in order of happening, for logs
and steps; without one nothing is recorded.

Rules of the order that everything else follows from: `list0` starts with the called states, then
the active ones; implied states are appended. Pass 1 judges that list backwards, so called beats
active beats implied when states remove each other.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Protocol

from .bits import bits_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .tables import Tables

ADD, REMOVE, SET = "add", "remove", "set"
KINDS = (ADD, REMOVE, SET)


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
    if witness is not None:
        return _ordered_witnessed(t, listed, mask, bound, witness)
    # Kahn's algorithm with a heap of positions: the first that waits for none of the rest is
    # placed; in a cycle the first of the rest.
    position = {i: place for place, i in enumerate(listed)}
    waits_for = {}
    frees: dict[int, list[int]] = {}
    for i in bits_of(bound):
        needed = bits_of(after[i] & mask)
        waits_for[i] = len(needed)
        for other in needed:
            frees.setdefault(other, []).append(i)
    ready = [position[i] for i in listed if i not in waits_for]
    heapify(ready)
    placed: list[int] = []
    is_placed = [False] * len(listed)
    first = 0  # the first of the rest
    while len(placed) < len(listed):
        if ready:
            place = heappop(ready)
        else:
            while is_placed[first]:
                first += 1
            place = first
        if is_placed[place]:
            continue
        is_placed[place] = True
        placed.append(listed[place])
        for i in frees.get(listed[place], ()):
            waits_for[i] -= 1
            if not waits_for[i]:
                heappush(ready, position[i])
    return placed


def _ordered_witnessed(
    t: Tables, listed: list[int], mask: int, bound: int, witness: Witness
) -> list[int]:
    """The same one by one, telling each comparison that decided."""
    bits, after = t.bits, t.after_mask
    placed = []
    remaining = list(listed)
    told: set[tuple[int, int]] = set()
    while remaining:
        pick = 0
        for place, i in enumerate(remaining):
            if not (bound & bits[i] and after[i] & mask):
                pick = place
                break
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
