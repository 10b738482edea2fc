"""A machine's queue: what can be asked of it, what may wait in it, waits on it, and breakpoints."""

from __future__ import annotations

import traceback
from collections import deque
from typing import TYPE_CHECKING, Any

from ._base import BaseMachine
from ._log import LogLevel, emit
from ._mutation import Kind
from ._result import CANCELED
from ._waits import Kind as WaitKind
from ._waits import Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._mutation import Mutation
    from ._result import Result


class Queueing(BaseMachine):
    """A machine with a queue; how it is filled and emptied is told in `_drain`."""

    __slots__ = (
        "_breakpoints", "_draining", "_pending", "_queue", "_queue_limit", "on_breakpoint",
        "refused",
    )  # fmt: skip

    _queue: deque[Mutation] | None
    _queue_limit: int
    # (kind, mask of called) -> how many such mutations without args are in the queue; made with it.
    _pending: dict[tuple[str, int], int]
    # Mutations refused because the queue was full.
    refused: int
    # Set while the drain is between transitions; during one `_plan` tells.
    _draining: bool
    # (added, removed, strict), by state index.
    _breakpoints: list[tuple[tuple[int, ...], tuple[int, ...], bool]] | None
    # Called with the machine when a breakpoint is hit.
    on_breakpoint: Callable[[Any], object] | None

    @property
    def _is_draining(self) -> bool:
        return self._draining or self._plan is not None

    @property
    def queue(self) -> tuple[Mutation, ...]:
        """Pending mutations, the next one first; the running one is not among them."""
        return tuple(self._queue or ())

    def _queue_len(self) -> int:
        return len(self._queue) if self._queue else 0

    def is_queued(
        self,
        kind: str,
        *states: str,
        without_args: bool = False,
        exact: bool = False,
        min_tick: int = 0,
        check: bool = False,
        position: str = "any",
    ) -> bool:
        """Whether a mutation of this kind that calls all these states is pending.

        `exact`: it calls no others. `without_args`: it has none. `min_tick`: its queue tick is at
        least that. `check`: a check is meant. `position`: any, first or last of the queue.

        :raises UnknownStateError: if a name is not a state.
        :raises ValueError: if `kind` or `position` is none of those.
        """
        kind = Kind(kind)
        if position not in ("any", "first", "last"):
            raise ValueError(f"position {position!r} is not any, first or last")
        wanted = frozenset(self._schema.indexes(states, self))
        queue = self.queue
        pending = {"any": queue, "first": queue[:1], "last": queue[-1:]}[position]
        return any(
            m.kind == kind
            and m.is_check is check
            and (frozenset(m.indexes) == wanted if exact else wanted.issubset(m.indexes))
            and not (without_args and m.args)
            and m.queue_tick >= min_tick
            for m in pending
        )

    def will_be(self, *states: str) -> bool:
        """Whether adding these states is pending; implied states are not seen."""
        return self.is_queued("add", *states)

    def will_be_removed(self, *states: str) -> bool:
        """Whether removing these states is pending."""
        return self.is_queued("remove", *states)

    # ---------------------------------------------------------------- what may wait

    def _count(self, mutation: Mutation) -> None:
        """Count a pending mutation that makes an equal one a duplicate.

        One that is queued while nothing runs is taken at once; it has no result and is not counted.
        """
        if not mutation.args and not mutation.is_check:
            key = mutation.key = (mutation.kind, self._mask_of(mutation.indexes))
            self._pending[key] = self._pending.get(key, 0) + 1

    def _uncount(self, key: tuple[str, int]) -> None:
        left = self._pending[key] - 1
        if left:
            self._pending[key] = left
        else:
            del self._pending[key]

    def _mask_of(self, indexes: tuple[int, ...]) -> int:
        bits = self._schema.bits
        return bits[indexes[0]] if len(indexes) == 1 else sum([bits[i] for i in indexes])

    def _make_queue(self) -> deque[Mutation]:
        """Most machines that wait for something to happen have no queue yet."""
        queue: deque[Mutation] = deque()
        self._queue = queue
        self._pending = {}
        return queue

    def _may_pass(self, kind: Kind, indexes: tuple[int, ...]) -> bool:
        """Errors, and the end of errors, may pass a full queue."""
        exception = self._schema.index["Exception"]
        if exception not in indexes:
            return False
        return kind is (Kind.REMOVE if self._conf.mask >> exception & 1 else Kind.ADD)

    def _is_duplicate(self, kind: Kind, indexes: tuple[int, ...]) -> bool:
        called = self._mask_of(indexes)
        return not self._schema.tables.multi & called and (kind, called) in self._pending

    def _drop_queue(self) -> None:
        queue = self._queue
        if queue:
            self._pending.clear()
        while queue:
            mutation = queue.popleft()
            if mutation.result is not None:
                mutation.result.settle(CANCELED)
        if self._waits is not None:
            self._wake_queue(self._waits)

    # ---------------------------------------------------------------- waits

    def when_queue(self, result: Result) -> Wait:
        """The mutation behind a queued result was processed, or dropped from the queue."""
        self.check_thread()
        wait = Wait(str(result.queue_tick))
        if result.outcome is not None or not result.queued:
            wait.resolve(True)
        elif self._life:
            wait.resolve(False)
        else:
            self._wait_index().add(wait, WaitKind.QUEUE, condition=result)
            self._tell_wait("new", WaitKind.QUEUE, wait)
        return wait

    def when_queue_ends(self) -> Wait:
        """No drain is running, now or once the running one has ended."""
        self.check_thread()
        wait = Wait("queue ends", None if self._is_draining else True)
        if not wait.done:
            self._wait_index().add(wait, WaitKind.QUEUE_ENDS)
        return wait

    def _end_queue_waits(self) -> None:
        index = self._waits
        if index is not None and index.has(WaitKind.QUEUE_ENDS):
            for entry, wait in index.of(WaitKind.QUEUE_ENDS):
                self._finish_wait(index, entry, wait, True)

    # ---------------------------------------------------------------- breakpoints

    def add_breakpoint(
        self,
        added: Iterable[str] = (),
        removed: Iterable[str] = (),
        strict: bool = False,
    ) -> None:
        """Stop by when an `add` of exactly `added` (in this order), or a `remove` of exactly
        `removed`, is queued: one log line with the stack, and `on_breakpoint(machine)` if set.

        `strict` ignores mutations to how the states are already.

        :raises UnknownStateError: if a name is not a state.
        """
        self.check_thread()
        schema = self._schema
        point = (schema.indexes(added, self), schema.indexes(removed, self), strict)
        self._breakpoints = [*(self._breakpoints or ()), point]
        self._retune()

    def _hit_breakpoints(self, mutation: Mutation) -> None:
        active = self._conf.mask
        for added, removed, strict in self._breakpoints or ():
            if mutation.kind == Kind.ADD:
                hit = bool(added) and mutation.indexes == added
                needless = all(active >> i & 1 for i in added)
            else:
                hit = bool(removed) and mutation.indexes == removed and mutation.kind == Kind.REMOVE
                needless = not any(active >> i & 1 for i in removed)
            if not hit or (strict and needless):
                continue
            stack = "".join(traceback.format_stack()[:-1])
            emit(self, LogLevel.CHANGES, f"[breakpoint] Machine.breakpoint\n{stack}")
            if self.on_breakpoint is not None:
                self.on_breakpoint(self)
            return
