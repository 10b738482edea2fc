"""Plans: outcomes of resolution, kept.

The states active at one moment are a `Configuration`. It knows the plans of the mutations that were
made from it; each plan knows the configuration it leads to. So a machine walks a graph that is
built as it goes, and a mutation seen before costs one dictionary look-up by the tuple of its
arguments. `plan_book` builds it, and keeps it within bounds.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from .resolve import ADD, SET

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._result import Result
    from .handlers import HandlerCall


# What is estimated of a configuration, a plan, and a call that was not made before, beside their
# masks and tuples.
CONFIGURATION_BYTES = 480
PLAN_BYTES = 200
CALL_BYTES = 400
# Answers kept per configuration: a program asks few different questions in each.
MAX_ANSWERS = 16


class Fast(Enum):
    """What a plan needs, where nobody listens and no keywords are given."""

    CLOCKS = "clocks"
    """Nothing but clocks is concerned."""
    HANDLERS = "handlers"
    """Bound handlers are called, too, or auto states follow."""


CLOCKS, HANDLERS = Fast.CLOCKS, Fast.HANDLERS


class Answers(dict[tuple[str, ...], bool]):
    """Whether all of some states are active, by the arguments of the question.

    A look-up answers what was asked before, and works out what was not.

    :raises KeyError: if a name is not a state.
    """

    __slots__ = ("_active", "_index")

    def __init__(self, active: int, index: Mapping[str, int]) -> None:
        self._active = active
        self._index = index

    def __missing__(self, states: tuple[str, ...]) -> bool:
        index, active = self._index, self._active
        # All names are looked at, so that a wrong one is never overlooked.
        answer = all([active >> i & 1 for i in [index[name] for name in states]])
        if len(self) < MAX_ANSWERS:
            self[states] = answer
        return answer


_UNASKED = Answers(0, {})
# What most configurations have of most kinds of plans; never written to.
_NO_PLANS: dict[tuple[str, ...], Plan] = {}


class Configuration:
    """A set of active states, and the plans of mutations made from it."""

    __slots__ = (
        "adds", "answers", "auto", "followed", "is_auto_known", "mask", "others", "removes", "sets",
        "size",
    )  # fmt: skip

    def __init__(self, mask: int) -> None:
        self.mask = mask
        # Made when somebody asks, as are all of the following.
        self.answers = _UNASKED
        # By the arguments of the call.
        self.adds = self.removes = self.sets = _NO_PLANS
        # Checks, auto mutations and parts of them, by (kind, called, what it is).
        self.others: dict[tuple[str, tuple[int, ...], str], Plan] | None = None
        # Updates that replicas followed from here, and the blips that they betray.
        self.followed: dict[object, tuple[Plan, int]] | None = None
        # The auto mutation that follows a change to here, once it was looked for.
        self.auto: Plan | None = None
        self.is_auto_known = False
        # Estimated bytes of it and its plans.
        self.size = CONFIGURATION_BYTES + 4 * (mask.bit_length() // 30)

    def are_active(self, states: tuple[str, ...], index: Mapping[str, int]) -> bool:
        """Whether all these states are active; the answer is kept.

        :raises KeyError: if a name is not a state.
        """
        if self.answers is _UNASKED:
            self.answers = Answers(self.mask, index)
        return self.answers[states]

    def keep(self, kind: str, states: tuple[str, ...], plan: Plan) -> None:
        """Remember the plan of a call by its arguments."""
        if kind == ADD:
            if self.adds is _NO_PLANS:
                self.adds = {}
            self.adds[states] = plan
        elif kind == SET:
            if self.sets is _NO_PLANS:
                self.sets = {}
            self.sets[states] = plan
        else:
            if self.removes is _NO_PLANS:
                self.removes = {}
            self.removes[states] = plan

    def forget(self) -> None:
        """Drop all plans, so that no rings are left."""
        self.answers = _UNASKED
        self.adds = self.removes = self.sets = _NO_PLANS
        self.others = self.followed = None
        self.auto = None
        self.is_auto_known = False


class Call:
    """What a mutation asks for: shared by all plans for the same."""

    __slots__ = ("indexes", "is_auto", "is_check", "kind", "mask")

    def __init__(
        self, kind: str, indexes: tuple[int, ...], mask: int, is_auto: bool, is_check: bool
    ) -> None:
        self.kind = kind
        # The called states, in the order given.
        self.indexes = indexes
        self.mask = mask
        self.is_auto = is_auto
        self.is_check = is_check


class Plan:
    """All that a mutation will do from one configuration, but for what handlers decide."""

    __slots__ = (
        "_target", "accepted", "after", "before", "call", "changed", "continues", "enters",
        "exits", "fast", "fast_checked", "finals", "gained", "increments", "missing", "one",
        "quick", "result", "trace", "votes",
    )  # fmt: skip

    call: Call
    accepted: bool
    # Called states that the relations keep out of the target.
    missing: tuple[int, ...]
    before: Configuration
    after: Configuration
    # The ordered target, once it was asked for.
    _target: tuple[int, ...] | None
    enters: tuple[int, ...]
    exits: tuple[int, ...]
    # (state index, ticks gained)
    increments: tuple[tuple[int, int], ...]
    # Ticks that all states gain together.
    gained: int
    # The state, if one gains one tick and no other any.
    one: int | None
    # Mask of the states whose tick moves.
    changed: int
    votes: tuple[HandlerCall, ...]
    finals: tuple[HandlerCall, ...]
    result: Result
    # Whether an auto mutation follows that does something.
    continues: bool
    # What it takes where nobody listens; None: the whole procedure. Of a call whose args have to be
    # checked, `fast` is None and `fast_checked` tells what it takes then.
    fast: Fast | None
    fast_checked: Fast | None
    # `one`, if there is nothing else to do where nobody listens: `fast` is CLOCKS.
    quick: int | None
    # How it was resolved, for those who listen; kept by whoever tells it.
    trace: object

    @property
    def kind(self) -> str:
        """add, remove or set."""
        return self.call.kind

    @property
    def called(self) -> tuple[int, ...]:
        """Indexes of the called states."""
        return self.call.indexes

    @property
    def is_auto(self) -> bool:
        """Whether it is an auto mutation."""
        return self.call.is_auto

    @property
    def is_check(self) -> bool:
        """Whether it is a dry run."""
        return self.call.is_check

    def move(self, ticks: list[int]) -> None:
        """Add what is gained to the clocks."""
        for i, gained in self.increments:
            ticks[i] += gained
