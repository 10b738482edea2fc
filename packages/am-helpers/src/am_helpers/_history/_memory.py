"""A history in memory: a ring of records."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Self, TypeVar

import trio

from ._model import (
    HistoryConfig,
    MachineRecord,
    Query,
    TimeRecord,
    as_tuples,
    check_tracked,
    from_micros,
    to_micros,
)
from ._notes import now_micros, to_record
from ._recorder import recorder_of, tell
from ._schema_json import schema_to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    import am_machine as am

T = TypeVar("T")


class MemoryHistory:
    """Keeps the last records of a machine in memory; see `HistoryApi`.

    Recording begins at once and ends with `aclose`, ``async with``, or the machine.

    :raises ValueError: if there is no state to track.
    :raises am.UnknownStateError: if the configuration names a state the machine lacks.
    """

    def __init__(
        self,
        mach: am.MachineApi,
        config: HistoryConfig | None = None,
        *,
        next_id: int = 1,
        on_err: Callable[[Exception], object] | None = None,
    ) -> None:
        self._mach = mach
        self._config = config or HistoryConfig()
        self._records: deque[TimeRecord] = deque(maxlen=self._config.max_records)
        self._began = now_micros()
        self._last_sum: int | None = None
        self._on_err = on_err
        self._recorder = recorder_of(mach, self._config, self._keep, self.close)
        # The clocks at the last record.
        self._ticks = list(mach.time())
        self._recorder.begin(tuple(self._ticks), mach.queue_tick, mach.machine_tick)
        self._final: MachineRecord | None = None
        self._recorder.attach(next_id, 0)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    def _keep(self) -> None:
        """Make records of what was noted since the last time."""
        layout = self._recorder.selection.layout
        try:
            for step in self._recorder.take():
                ticks = self._ticks
                ticks.extend([0] * (step.size - len(ticks)))
                for i, tick, _ in step.moves:
                    ticks[i] = tick
                record = to_record(step, ticks, layout(step.size), self._last_sum)
                self._last_sum = record.time_sum
                self._records.append(record)
        except Exception as exc:
            tell(self._recorder, exc, self._on_err)

    def close(self) -> None:
        """Stop recording, without an event loop; the records stay."""
        if self._final is None:
            self._final = self.machine_record
            self._recorder.detach()

    @property
    def name(self) -> str:
        """The name of the tracer."""
        return self._recorder.name

    @property
    def config(self) -> HistoryConfig:
        """What is tracked and recorded."""
        return self._config

    @property
    def tracked(self) -> tuple[str, ...]:
        """The tracked states, in the order of the ticks in records."""
        return self._recorder.selection.tracked

    @property
    def records(self) -> tuple[TimeRecord, ...]:
        """All records kept, oldest first."""
        self._keep()
        return tuple(self._records)

    @property
    def machine_record(self) -> MachineRecord:
        """The machine now, or when recording ended."""
        if self._final is not None:
            return self._final
        self._keep()
        mach = self._mach
        ticks = tuple(mach.time())
        return MachineRecord(
            machine_id=mach.id,
            state_names=tuple(mach.schema),
            schema=schema_to_json(mach.schema) if self._config.store_schema else None,
            first_tracking=from_micros(self._began),
            last_tracking=from_micros(self._began),
            last_sync=from_micros(now_micros()),
            time=ticks,
            time_sum=sum(ticks),
            queue_tick=mach.queue_tick,
            machine_tick=mach.machine_tick,
            next_id=self._recorder.next_id,
        )

    def is_tracked(self, *states: str) -> bool:
        """Whether all these states are tracked."""
        return set(states) <= set(self._recorder.selection.tracked)

    def match(self, fn: Callable[[dict[str, int], tuple[TimeRecord, ...]], T]) -> T:
        """Return ``fn(clock now, records)``, for questions that no query can put."""
        return fn(self._mach.clock(), self.records)

    def export(self) -> dict[str, Any]:
        """Return everything as plain values: the machine and its records, times as ISO text."""
        machine = asdict(self.machine_record)
        records = [asdict(record) for record in self.records]
        plain: dict[str, Any] = _plain({"machine": machine, "records": records})
        return plain | {"tracked": list(self._recorder.selection.tracked)}

    async def activated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range entered the state."""
        inside, i = await self._inside(state, start, end)
        return any(r.tracked_diff[i] > 0 and r.tracked_time[i] & 1 for r in inside)

    async def deactivated_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether a record in the range left the state."""
        inside, i = await self._inside(state, start, end)
        return any(r.tracked_diff[i] > 0 and not r.tracked_time[i] & 1 for r in inside)

    async def active_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was active at any moment of the range."""
        return await self._was(1, state, start, end)

    async def inactive_between(self, state: str, start: datetime, end: datetime) -> bool:
        """Whether the state was inactive at any moment of the range."""
        return await self._was(0, state, start, end)

    async def _was(self, parity: int, state: str, start: datetime, end: datetime) -> bool:
        inside, i = await self._inside(state, start, end)
        earlier = next((r for r in reversed(self.records) if r.at < start), None)
        if earlier is not None and start <= end:
            inside = [*inside, earlier]
        return any(len(r.tracked_time) > i and r.tracked_time[i] & 1 == parity for r in inside)

    async def _inside(
        self, state: str, start: datetime, end: datetime
    ) -> tuple[list[TimeRecord], int]:
        """Records in the range that know the state, and its place in them."""
        await trio.lowlevel.checkpoint()
        check_tracked((state,), self._recorder.selection.tracked)
        to_micros(start)  # both refuse naive ones
        to_micros(end)
        place = self._recorder.selection.tracked.index(state)
        inside = [r for r in self.records if start <= r.at <= end and len(r.tracked_time) > place]
        return inside, place

    async def find_latest(
        self, query: Query, limit: int = 0, with_tx: bool = False
    ) -> list[TimeRecord]:
        """Find records, newest first; at most ``limit``, or all for 0."""
        await trio.lowlevel.checkpoint()
        query = as_tuples(query)
        ranges, tick_ranges = query.ranges(), query.tick_ranges()
        check_tracked(query.states(), self._recorder.selection.tracked)
        places = {state: i for i, state in enumerate(self._recorder.selection.tracked)}
        found: list[TimeRecord] = []
        for record in reversed(self.records):
            if (
                all(_in_range(record, *bounds) for bounds in ranges)
                and all(
                    _tick_in_range(record, places[state], least, most)
                    for state, least, most in tick_ranges
                )
                and _states_fit(record, query, places)
            ):
                found.append(record if with_tx else replace(record, transition=None))
                if len(found) == limit:
                    break
        return found

    async def sync(self) -> None:
        """Return: every record is visible the moment it is made. A checkpoint."""
        await trio.lowlevel.checkpoint()

    async def aclose(self) -> None:
        """Stop recording; the records stay."""
        self.close()
        await trio.lowlevel.checkpoint()


def _in_range(record: TimeRecord, name: str, least: int, most: int) -> bool:
    value = to_micros(record.at) if name == "at" else getattr(record, name)
    return bool(least <= value <= most)


def _tick_in_range(record: TimeRecord, place: int, least: int, most: int) -> bool:
    time = record.tracked_time  # shorter in records from before the machine grew
    return place < len(time) and least <= time[place] <= most


def _states_fit(record: TimeRecord, query: Query, places: dict[str, int]) -> bool:
    time, diff = record.tracked_time, record.tracked_diff

    def odd(state: str) -> bool:
        place = places[state]
        return place < len(time) and bool(time[place] & 1)

    def even(state: str) -> bool:
        place = places[state]
        return place < len(time) and not time[place] & 1

    def moved(state: str) -> bool:
        return diff[places[state]] > 0

    return (
        all(map(odd, query.active))
        and all(map(even, query.inactive))
        and all(odd(state) and moved(state) for state in query.activated)
        and all(even(state) and moved(state) for state in query.deactivated)
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if hasattr(value, "isoformat") else value
