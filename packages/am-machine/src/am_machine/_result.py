"""What a mutation returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any


class Result:
    """The outcome of a mutation, now or later.

    A settled local result is one of the singletons `EXECUTED` and `CANCELED`. A queued one starts
    with `outcome` None and is settled once its transition ended, or it was dropped from the queue.
    `await result` gives the outcome, as often as wanted; it is a checkpoint, and being cancelled
    there changes nothing. `bool(result)` is False only if it is canceled already.
    """

    __slots__ = ("__weakref__", "_settled", "error", "outcome", "queue_tick", "queued")

    queued: bool
    # 0 for settled and prepended ones, else the queue tick at which the mutation will be taken.
    queue_tick: int
    outcome: Result | None
    # Why a remote mutation was canceled, if known.
    error: BaseException | None

    def __init__(self, queue_tick: int = 0) -> None:
        self.queued = True
        self.queue_tick = queue_tick
        self.outcome = None
        self.error = None
        self._settled: trio.Event | None = None

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
            self.outcome = outcome
            self.error = error
            if self._settled is not None:
                self._settled.set()

    def __bool__(self) -> bool:
        return self.outcome is not CANCELED

    def __await__(self) -> Generator[Any, Any, Result]:
        return self._wait().__await__()

    async def _wait(self) -> Result:
        if self.outcome is None:
            if self._settled is None:
                self._settled = trio.Event()
            await self._settled.wait()
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

    def __init__(self) -> None:
        super().__init__()
        self.queued = False
        self.outcome = self

    def __reduce__(self) -> str:
        return "EXECUTED" if self is EXECUTED else "CANCELED"


EXECUTED: Result = _Settled()
CANCELED: Result = _Settled()
