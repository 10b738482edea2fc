"""The store, or some of its machines, to a dump."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from am_telemetry import dbg

from .._store.replay import Replay, mach_of
from .._store.tx import as_sent
from .atomic import written
from .dump import BATCH, CHUNK, HEADER, VERSION
from .stream_file import compressor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from .._store.client import Client
    from .._store.store import Store
    from .stream_file import Compressor

    Change = Callable[[dbg.Message], dbg.Message | None]


class Written(NamedTuple):
    """How much of a dump is written."""

    entries: int
    total: int


class Span(NamedTuple):
    """From a time to a time, in microseconds since 1970, both included."""

    since: int
    until: int


def write_dump(
    store: Store,
    path: Path,
    process: dbg.Process,
    *,
    clients: Iterable[Client] | None = None,
    moment: int | None = None,
    span: Span | None = None,
    change: Change | None = None,
) -> Iterator[Written]:
    """Write machines (all, if none are given) in small steps; the file appears with the last one.

    `process` is the one that writes. With a `moment` (microseconds since 1970) only that: schema,
    clock and last transition of each machine; with a `span` only the transitions within it. What a
    machine waits for is not written. `change` may give another message for each, or leave it out.

    :raises DumpError: if the name has no known ending, or zstd is not installed.
    :raises OSError: if the file cannot be written.
    """
    chosen = list(store if clients is None else clients)
    with written(path) as file:
        writer = _Writer(file, compressor(path), change)
        writer.begin(process)
        total = sum([len(_numbers(client, span)) for client in chosen])
        for client in chosen:
            for _ in _client_steps(writer, store, client, moment, span):
                yield Written(writer.entries, total)
        lost = 0 if span is not None else sum([client.lost for client in chosen])
        writer.end(len(chosen), lost)
    yield Written(writer.entries, writer.entries)


class _Writer:
    """Messages to a compressed file, with the index of its chunks."""

    def __init__(
        self, file: IO[bytes], compressed: Compressor, change: Change | None = None
    ) -> None:
        self._file = file
        self._compressed = compressed
        self._change = change
        self._offset = 0
        self._chunks: list[tuple[int, int, int]] = []
        self._schemas: set[bytes] = set()
        self.entries = 0

    def begin(self, process: dbg.Process) -> None:
        """The head."""
        self._put_bytes(HEADER)
        self.put(dbg.DumpBegin(VERSION, process))

    def put(self, message: dbg.Message) -> None:
        """A message; a schema only once."""
        if self._change is not None:
            changed = self._change(message)
            if changed is None:
                return
            message = changed
        if isinstance(message, dbg.SchemaDef):
            if message.hash in self._schemas:
                return
            self._schemas.add(message.hash)
        elif isinstance(message, dbg.Txs):
            offset, time, count = self._chunks[-1]
            self._chunks[-1] = (offset, time, count + len(message.entries))
            self.entries += len(message.entries)
        self._put_bytes(dbg.encode(message))

    def chunk(self, time: int) -> None:
        """From here on machines begin with a keyframe."""
        self._file.write(self._compressed.sync())
        self._chunks.append((self._offset, time, 0))
        self.put(dbg.Chunk(len(self._chunks) - 1, time))

    def end(self, machines: int, dropped: int) -> None:
        """The index and the totals."""
        self.put(dbg.DumpEnd(tuple(self._chunks), machines, self.entries, dropped))
        self._file.write(self._compressed.finish())

    def _put_bytes(self, data: bytes) -> None:
        self._offset += len(data)
        self._file.write(self._compressed.compress(data))


def _numbers(client: Client, span: Span | None) -> range:
    """The transitions of a machine within a span."""
    if span is None:
        return range(client.first, client.last + 1)
    first = client.first + client.columns.times.first_from(span.since)
    return range(first, client.last_until(span.until) + 1)


def _client_steps(
    writer: _Writer, store: Store, client: Client, moment: int | None, span: Span | None
) -> Iterator[None]:
    if moment is not None:
        _write_moment(writer, store, client, client.last_until(moment))
        yield
        return
    numbers = _numbers(client, span)
    replay = Replay(store, client, client.serial, number=numbers.start)
    # What was cut off is not lost.
    for message in replay.begin(is_resumed=span is not None):
        writer.put(message)
    is_whole = numbers.stop == client.last + 1
    while replay.number < numbers.stop or (is_whole and not replay.is_idle):
        done = replay.number - numbers.start
        if done % CHUNK == 0 and replay.number < numbers.stop:
            writer.chunk(client.columns.times.shown[replay.number - client.first])
            replay.keyframe()
        left = min(BATCH, CHUNK - done % CHUNK)
        if not is_whole:
            left = min(left, numbers.stop - replay.number)
        for message in replay.advance(left):
            writer.put(message)
        yield
    if is_whole and client.columns.ticks != client.clock_after(client.last):
        # Others were lost since the latest.
        writer.put(mach_of(client, client.version, client.columns.ticks, client.serial))


def _write_moment(writer: _Writer, store: Store, client: Client, number: int) -> None:
    version = client.version_at(max(number, client.first))
    writer.put(version.schema.sent)
    has_one = client.first <= number
    size = len(version.names)
    clock = client.columns.clocks.before(max(number, client.first), size)
    writer.put(mach_of(client, version, clock, client.serial))
    if has_one:
        tx = store.tx(client, number)
        writer.chunk(tx.time)
        entry = (client.serial, as_sent(client.columns, tx, tuple(clock)))
        writer.put(dbg.Txs((entry,)))
