"""The store, or some of its machines, to a dump."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from am_telemetry import dbg

from .._store.tx import as_sent
from .atomic import written
from .dump import BATCH, CHUNK, HEADER, NOTE, VERSION
from .stream_file import compressor

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from typing import IO

    from .._store.client import Client
    from .._store.outer_log import OuterLine
    from .._store.store import Store
    from .._store.versions import Version
    from .stream_file import Compressor


class Written(NamedTuple):
    """How much of a dump is written."""

    entries: int
    total: int


def write_dump(
    store: Store,
    path: Path,
    process: dbg.Process,
    *,
    clients: Iterable[Client] | None = None,
    moment: int | None = None,
) -> Iterator[Written]:
    """Write machines (all, if none are given) in small steps; the file appears with the last one.

    `process` is the one that writes. With a `moment` (microseconds since 1970) only that: schema,
    clock and last transition of each machine. What a machine waits for is not written.

    :raises DumpError: if the name has no known ending, or zstd is not installed.
    :raises OSError: if the file cannot be written.
    """
    chosen = list(store if clients is None else clients)
    with written(path) as file:
        writer = _Writer(file, compressor(path))
        writer.begin(process)
        total = sum([len(client.columns) for client in chosen])
        for client in chosen:
            for _ in _client_steps(writer, store, client, moment):
                yield Written(writer.entries, total)
        writer.end(len(chosen), sum([client.lost for client in chosen]))
    yield Written(writer.entries, writer.entries)


class _Writer:
    """Messages to a compressed file, with the index of its chunks."""

    def __init__(self, file: IO[bytes], compressed: Compressor) -> None:
        self._file = file
        self._compressed = compressed
        self._offset = 0
        self._chunks: list[tuple[int, int, int]] = []
        self._batch: list[tuple[int, dbg.Tx]] = []
        self._schemas: set[bytes] = set()
        self.entries = 0

    def begin(self, process: dbg.Process) -> None:
        """The head."""
        self._put_bytes(HEADER)
        self.put(dbg.DumpBegin(VERSION, process))

    def put(self, message: dbg.Message) -> None:
        """A message, after the entries before it."""
        self.flush()
        self._put_bytes(dbg.encode(message))

    def schema(self, schema: dbg.SchemaDef) -> None:
        """A schema, once."""
        if schema.hash not in self._schemas:
            self._schemas.add(schema.hash)
            self.put(schema)

    def chunk(self, time: int) -> None:
        """From here on machines begin with a keyframe."""
        self.flush()
        self._file.write(self._compressed.sync())
        self._chunks.append((self._offset, time, 0))
        self.put(dbg.Chunk(len(self._chunks) - 1, time))

    def entry(self, handle: int, sent: dbg.Tx) -> None:
        """A transition."""
        self._batch.append((handle, sent))
        offset, time, count = self._chunks[-1]
        self._chunks[-1] = (offset, time, count + 1)
        self.entries += 1
        if len(self._batch) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """Entries that wait for their batch to fill."""
        if self._batch:
            batch, self._batch = tuple(self._batch), []
            self._put_bytes(dbg.encode(dbg.Txs(batch)))

    def end(self, machines: int, dropped: int) -> None:
        """The index and the totals."""
        self.put(dbg.DumpEnd(tuple(self._chunks), machines, self.entries, dropped))
        self._file.write(self._compressed.finish())

    def _put_bytes(self, data: bytes) -> None:
        self._offset += len(data)
        self._file.write(self._compressed.compress(data))


def mach_of(client: Client, version: Version, clock: Iterable[int], queue_tick: int) -> dbg.Mach:
    """A machine as it is announced; the clock is that before what follows."""
    return dbg.Mach(
        client.serial,
        client.machine_id,
        client.parent_id,
        client.tags,
        version.schema.sent.hash,
        version.handlers,
        tuple(clock),
        queue_tick,
        version.pipes,
        client.lib,
        client.process,
    )


def _client_steps(
    writer: _Writer, store: Store, client: Client, moment: int | None
) -> Iterator[None]:
    if moment is not None:
        _write_moment(writer, store, client, client.last_until(moment))
        yield
        return
    writer.schema(client.versions[0].schema.sent)
    writer.put(mach_of(client, client.versions[0], client.clock_before(client.first), 1))
    if client.first > 1:
        oldest = client.columns.times.shown[0] if len(client.columns) else 0
        writer.put(dbg.Drop(client.serial, client.first - 1, oldest))
    versions = {version.since: version for version in client.versions[1:]}
    losses = {loss.number: loss for loss in client.losses}
    for line in _outer(client, 0, client.first - 1):
        writer.put(dbg.Log(client.serial, line.time, line.level, line.text))
    for number in range(client.first, client.last + 2):
        if number in versions:
            _write_version(writer, client, versions[number], number)
        if number in losses:
            writer.put(dbg.Drop(client.serial, losses[number].lost, losses[number].time))
        if number > client.last:
            break
        _write_transition(writer, store, client, number)
        if (number - client.first) % BATCH == BATCH - 1:
            yield
    if client.columns.ticks != client.clock_after(client.last):
        writer.put(mach_of(client, client.version, client.columns.ticks, 1))
    if client.gone_at is not None:
        writer.put(dbg.Gone(client.serial, client.gone_at))
    yield


def _write_version(writer: _Writer, client: Client, version: Version, number: int) -> None:
    writer.schema(version.schema.sent)
    # Where others were lost before the next one, that tells its own clock.
    clock = client.columns.clocks.after(number - 1, len(version.names))
    writer.put(mach_of(client, version, clock, 1))


def _write_transition(writer: _Writer, store: Store, client: Client, number: int) -> None:
    columns = client.columns
    tx = store.tx(client, number)
    is_first = (number - client.first) % CHUNK == 0
    if is_first:
        writer.chunk(tx.time)
    clock = tuple(client.clock_before(number)) if is_first or tx.is_after_gap else None
    writer.entry(client.serial, as_sent(columns, tx, clock))
    note = client.notes.get(number)
    if note is not None:
        writer.put(dbg.Log(client.serial, tx.time, 0, NOTE + note))
    for line in _outer(client, number, number):
        writer.put(dbg.Log(client.serial, line.time, line.level, line.text))


def _outer(client: Client, first: int, last: int) -> list[OuterLine]:
    return [client.outer_log[k] for k in client.outer_log.between(first, last)]


def _write_moment(writer: _Writer, store: Store, client: Client, number: int) -> None:
    version = client.version_at(max(number, client.first))
    writer.schema(version.schema.sent)
    has_one = client.first <= number
    size = len(version.names)
    clock = client.columns.clocks.before(max(number, client.first), size)
    writer.put(mach_of(client, version, clock, 1))
    if has_one:
        tx = store.tx(client, number)
        writer.chunk(tx.time)
        writer.entry(client.serial, as_sent(client.columns, tx, tuple(clock)))
