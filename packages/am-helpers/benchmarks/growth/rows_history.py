"""Histories in SQLite: what a record costs by the number of states, a question by that of records.

A history belongs to a trio loop, and a thread of its own writes its records. What is taken is the
processor time of the whole process.
"""

from __future__ import annotations

import os
import tempfile
import threading
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from growth import AtMost, Row, Sample, looped, seconds

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

# Records of one sample; they go to the disk in several transactions.
RECORDS = 500
# Of a record of one change, with what is written once for many records.
MOST_BYTES = 400


class Recording:
    """A machine of so many states with a history, in a trio loop of another thread."""

    def __init__(self, path: Path, states: int) -> None:
        self.path = path
        self.states = states
        self._token: trio.lowlevel.TrioToken | None = None
        self._is_ready = threading.Event()
        self._is_over: trio.Event | None = None
        self._failed: BaseException | None = None

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Record until the block is left."""
        thread = threading.Thread(target=self._run, name="recording")
        thread.start()
        self._is_ready.wait()
        try:
            yield
        finally:
            if self._token is not None and self._is_over is not None:
                self._token.run_sync_soon(self._is_over.set)
            thread.join()
            if self._failed is not None:
                raise self._failed

    def _run(self) -> None:
        try:
            trio.run(self._serve)
        except BaseException as exc:
            self._failed = exc
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        schema = am.Schema({f"S{number}": {} for number in range(self.states)})
        self._machine = am.Machine(schema, id="m")
        config = amh.HistoryConfig(max_records=10**6)
        async with amh.SqliteHistory(self._machine, self.path, config) as self._history:
            self._is_over = trio.Event()
            await self._round()
            self._token = trio.lowlevel.current_trio_token()
            self._is_ready.set()
            await self._is_over.wait()
            assert self._history.dropped == 0

    async def _round(self) -> None:
        for _ in range(RECORDS // 2):
            self._machine.add("S7")
            self._machine.remove("S7")
        await self._history.sync()

    def record(self) -> None:
        """Make and write `RECORDS` records of one change."""
        trio.from_thread.run(self._round, trio_token=self._token)


@asynccontextmanager
async def record_of(states: int) -> AsyncIterator[Sample]:
    """Seconds a record of one change."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Recording(Path(folder, "h.sqlite"), states)
        with recording.at_work():
            yield lambda: seconds(recording.record) / RECORDS


@asynccontextmanager
async def bytes_of(states: int) -> AsyncIterator[Sample]:
    """Bytes a record of one change, after as many as there is one keyframe for."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "h.sqlite")
        recording = Recording(path, states)
        with recording.at_work():
            pass
        before = os.stat(path).st_size
        recording = Recording(path, states)
        with recording.at_work():
            for _ in range(5):
                recording.record()
        taken = os.stat(path).st_size - before
        yield lambda: taken / (6 * RECORDS)


# ------------------------------------------------------------------ questions

QUESTION = {"Busy": {}, "Rare": {}, "Early": {}}


@lru_cache(maxsize=1)
def folder_of_files() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


@lru_cache
def recorded(count: int) -> tuple[Path, tuple[int, int]]:
    """A file of so many records; one state was entered in its middle, another at its begin. And
    ticks of the third that are old."""
    path = Path(folder_of_files().name, f"{count}.sqlite")

    async def fill() -> None:
        machine = am.Machine(QUESTION, id="m")
        config = amh.HistoryConfig(max_records=2 * count)
        async with amh.SqliteHistory(machine, path, config) as history:
            for number in range(count):
                if number in (10, 12):
                    machine.toggle("Early")
                elif number in (count // 2, count // 2 + 2):
                    machine.toggle("Rare")
                else:
                    machine.toggle("Busy")
                if number % 5_000 == 4_999:
                    await history.sync()
            assert history.dropped == 0

    trio.run(fill)
    return path, (count // 4, count // 4 + 20)


def asking(
    query_of: Callable[[amh.HistoryFile, tuple[int, int]], amh.Query], found: int
) -> Callable[[int], object]:
    """A question, and how many records answer it, as many whatever the number of records."""

    def prepare(count: int) -> object:
        path, ticks = recorded(count)

        @asynccontextmanager
        async def opened() -> AsyncIterator[Sample]:
            with amh.HistoryFile(path) as file:
                query = query_of(file, ticks)

                def loop(times: int) -> None:
                    for _ in range(times):
                        assert len(file.records("m", query, limit=100)) == found

                yield looped(loop)

        return opened()

    return prepare


def rare(file: amh.HistoryFile, ticks: tuple[int, int]) -> amh.Query:
    return amh.Query(activated=("Rare",))


def early(file: amh.HistoryFile, ticks: tuple[int, int]) -> amh.Query:
    return amh.Query(active=("Early",), inactive=("Rare",))


def tick_range(file: amh.HistoryFile, ticks: tuple[int, int]) -> amh.Query:
    start = amh.Bound(states=("Busy",), time=(ticks[0],))
    end = amh.Bound(states=("Busy",), time=(ticks[1],))
    return amh.Query(start=start, end=end)


def old_sums(file: amh.HistoryFile, ticks: tuple[int, int]) -> amh.Query:
    return amh.Query(start=amh.Bound(time_sum=ticks[0]), end=amh.Bound(time_sum=ticks[1]))


RECORDED = (1_000, 10_000, 100_000, 1_000_000)
FEW_RECORDED = (1_000, 10_000)
STATES = (10, 100, 1_000, 4_000)
FEW_STATES = (10, 1_000)

ROWS = [
    Row(
        "C13 time",
        "SQLite history: a record of one change, by states",
        STATES,
        FEW_STATES,
        record_of,
        most_laps=15,
        least_laps=5,
        seconds=20.0,
    ),
    Row(
        "C13 bytes",
        "the same in the file",
        STATES,
        FEW_STATES,
        bytes_of,
        AtMost(f"≤ {MOST_BYTES} bytes", dict.fromkeys(STATES, MOST_BYTES)),
        unit="B",
        most_laps=1,
        least_laps=1,
    ),
    *[
        Row(
            f"C14 {key}",
            f"SQLite history of n records: {title}",
            RECORDED,
            FEW_RECORDED,
            asking(query, found),
            most_laps=15,
        )
        for key, title, query, found in (
            ("rare", "when a rare state was entered", rare, 1),
            ("early", "a state that was active long ago", early, 2),
            ("ticks", "a range of ticks long ago", tick_range, 21),
            ("sums", "a range of time sums long ago", old_sums, 21),
        )
    ],
]
