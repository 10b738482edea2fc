"""What a mutation returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ._trio_loop import Bell, check_trio

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

_ADVICE = (
    "in an asyncio program await it by `host.wait(…)` of am_helpers.guest, or look at `.outcome`"
)


class Result:
    """The outcome of a mutation, now or later.

    A settled local result is one of the singletons `EXECUTED` and `CANCELED`. A queued one starts
    with `outcome` None and is settled once its transition ended, or it was dropped from the queue.
    `await result` gives the outcome, as often as wanted; it is a checkpoint, and being cancelled
    there changes nothing. `bool(result)` is False only if it is canceled already.

    :raises RuntimeError: at the `await`, if no trio runs there.
    """

    __slots__ = ("__weakref__", "_bell", "error", "outcome", "queue_tick")

    queued = True
    # 0 for settled and prepended ones, else the queue tick at which the mutation will be taken.
    queue_tick: int
    outcome: Result | None
    # Why a remote mutation was canceled, if known.
    error: BaseException | None

    def __init__(self, queue_tick: int = 0) -> None:
        self.queue_tick = queue_tick
        self.outcome = None
        self.error = None
        self._bell: Bell | None = None

    @property
    def executed(self) -> bool:
        """Whether the mutation is known to have been executed."""
        return self.outcome is EXECUTED

    @property
    def canceled(self) -> bool:
        """Whether the mutation is known to have been canceled."""
        return self.outcome is CANCELED

    def settle(self, outcome: Result, error: BaseException | None = None) -> None:
        """Publish the outcome; only the first call counts.

        :raises ValueError: if `outcome` is not `EXECUTED` or `CANCELED`.
        """
        if outcome is not EXECUTED and outcome is not CANCELED:
            raise ValueError("an outcome is EXECUTED or CANCELED")
        if self.outcome is None:
            self.error = error
            self.outcome = outcome
            if self._bell is not None:
                self._bell.ring()

    def __bool__(self) -> bool:
        return self.outcome is not CANCELED

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._wait().__await__()

    async def _wait(self) -> Result:
        check_trio("a Result", _ADVICE)
        if self.outcome is None:
            if self._bell is None:
                self._bell = Bell()
            # It may have been settled in another thread since it was looked at.
            if self.outcome is None:
                await self._bell.wait()
        else:
            await trio.lowlevel.checkpoint()
        assert self.outcome is not None
        return self.outcome

    def __str__(self) -> str:
        if self is EXECUTED:
            return "executed"
        return "canceled" if self is CANCELED else "queued"

    def __repr__(self) -> str:
        told = (
            ""
            if not self.queued
            else f" {self.queue_tick} -> {'pending' if self.outcome is None else self.outcome}"
        )
        return f"<Result {self}{told}>"


class _Settled(Result):
    """The type of the two singletons; they are their own outcome."""

    __slots__ = ()

    queued = False

    def __init__(self) -> None:
        super().__init__()
        self.outcome = self

    def __reduce__(self) -> str:
        return "EXECUTED" if self is EXECUTED else "CANCELED"


EXECUTED: Result = _Settled()
CANCELED: Result = _Settled()
