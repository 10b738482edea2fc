"""What every history offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from datetime import datetime

    from ._model import HistoryConfig, MachineRecord, Query, TimeRecord


@runtime_checkable
class HistoryApi(Protocol):
    """Questions to a history. Times are aware datetimes and inclusive; a naive one is a ValueError.

    A state that is not tracked raises `QueryError`. Every await is a checkpoint and may be
    cancelled without losing records.
    """

    @property
    def name(self) -> str:
        """The name of the tracer, ``history-`` and 4 hex characters."""
        ...

    @property
    def config(self) -> HistoryConfig:
        """What is tracked and recorded."""
        ...

    @property
    def machine_record(self) -> MachineRecord:
        """The machine as the history knows it now."""
        ...

    def is_tracked(self, *states: str) -> bool:
        """Whether all these states are tracked."""
        ...

    async def activated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range entered the state; a multi state's re-entry counts."""
        ...

    async def deactivated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range left the state."""
        ...

    async def active_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was active at any moment of the range."""
        ...

    async def inactive_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was inactive at any moment of the range."""
        ...

    async def find_latest(
        self, query: Query, limit: int = 0, with_tx: bool = False
    ) -> list[TimeRecord]:
        """Find records, newest first; at most ``limit``, or all for 0.

        ``with_tx`` fills in their ``transition``, if transitions are stored.
        """
        ...

    async def sync(self) -> None:
        """Make all records made so far visible to queries, and as durable as the history is."""
        ...

    async def aclose(self) -> None:
        """Stop recording, and keep what was recorded where the history keeps it."""
        ...
