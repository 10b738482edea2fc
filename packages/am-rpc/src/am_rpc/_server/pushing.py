"""What a source does, on its way to one client: at once, after an interval, or with an answer.

Pushes and answers form one stream with one baseline. The source's tracers only leave a mark here;
what is behind it is fetched right before it is written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from .._wire.handshake_messages import SchemaGrown, Vector
from .._wire.messages import Bye
from .._wire.schema import schema_to_wire
from .._wire.server_messages import KIND_CODES, Record, Records, Update
from .observer import Observer

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .._transport.driver import Connection
    from .._wire.delta_encoder import DeltaEncoder, Step
    from .._wire.messages import Message
    from .context import PushContext


class Pusher:
    """Follows the source for one client.

    Args:
        server: whose interval and limits hold.
        connection: the transport.
        feed: the clock stream, its baseline set by the welcome.
    """

    __slots__ = (
        "_connection", "_feed", "_is_dirty", "_moves", "_observer", "_records", "_sent_at",
        "_server", "_source", "is_busy",
    )  # fmt: skip

    def __init__(self, server: PushContext, connection: Connection, feed: DeltaEncoder) -> None:
        self._server = server
        self._source = server.source
        self._connection = connection
        self._feed = feed
        self._observer = Observer.of(server.source)
        # True while a call of this client is executed: its response will carry the changes.
        self.is_busy = False
        self._is_dirty = False
        # How often the source had moved when this became dirty.
        self._moves = 0
        self._sent_at = float("-inf")
        self._records: list[Record] = []

    def begin(self) -> None:
        """Follow the source and push what it did since the welcome."""
        self._observer.follow(self._source, self)
        if self._feed.mutations:
            self._observer.follow_transitions(self._source, self, self._record)
            self._catch_up()
        self._connection.produce = self._produce
        self.source_moved()

    def end(self) -> None:
        """Let go of the source."""
        self._observer.unfollow(self._source, self)

    def notify(self, message: Message) -> None:
        """Send a notification."""
        self._server.stats.notifications += 1
        self._connection.send(self._connection.protocol.send_notification(message))

    # The source moves.

    def source_moved(self) -> bool:
        """Note that something changed; push it now if pushing is immediate.

        Return True once it is noted: what comes until the next send is merged into that.
        """
        if self.is_busy:
            return False
        interval = self._server.push_interval
        if interval is None:
            return False
        if interval == 0 and self._connection.is_flowing:
            self._push(trio.current_time(), self._connection.send_at_once)
            return False
        if not self._is_dirty:
            self._is_dirty = True
            self._moves = self._observer.moves
            self._connection.wake_at(self._sent_at + interval)
        return True

    def _be_clean(self) -> None:
        """All that has moved is about to be sent, or nobody wants it."""
        if self._is_dirty:
            self._is_dirty = False
            self._server.stats.pushes_merged += self._observer.moves - self._moves
            self._observer.rearm(self)

    def source_grew(self) -> None:
        """Tell the client of the new states; later updates count from here."""
        source, feed = self._source, self._feed
        feed.grow(source.schema.names)
        schema = schema_to_wire(source.schema) if feed.has_schema else None
        self._records.clear()
        shape = feed.shape(schema, source.time(), source.queue_tick, source.machine_tick)
        self.notify(SchemaGrown(shape))

    def source_disposed(self) -> None:
        """The source is gone: say goodbye."""
        self.notify(Bye("disposed"))
        self._server.source_disposed()

    def _record(self, transition: am.Transition) -> None:
        source = self._source
        kind = "auto" if transition.auto else transition.kind
        called = transition.mutation.indexes
        record = self._feed.record(
            kind, called, source.time(), source.queue_tick, source.machine_tick
        )
        if record is None:
            return
        records = self._records
        records.append(record)
        if len(records) > self._server.serving.limits.records:
            self._records = [merge_records(records)]
        elif (
            len(records) >= self._server.push_max_mutations
            and not self.is_busy
            and self._server.push_interval is not None
            and self._connection.is_flowing
        ):
            self._push(trio.current_time(), self._connection.send)

    def _catch_up(self) -> None:
        source = self._source
        record = self._feed.record("set", (), source.time(), source.queue_tick, source.machine_tick)
        if record is not None:
            self._records.append(merge_records([record]))

    # What is sent.

    def _produce(self, now: float, out: list[bytes]) -> float | None:
        """Push if it is time, else tell when it will be; called before each write."""
        if not self._is_dirty:
            return None
        interval = self._server.push_interval
        if interval is None:
            self._be_clean()
            return None
        due = self._sent_at + interval
        if now < due:
            return due
        self._push(now, self._connection.send)
        return None

    def _push(self, now: float, send: Callable[[bytes], None]) -> None:
        if self._may_share():
            self._be_clean()
            self._sent_at = now
            step = self._next_step()
            if step.update is None:
                return
            if step.data is None:
                step.data = self._connection.protocol.send_notification(step.update)
            self._server.stats.pushes += 1
            self._server.stats.notifications += 1
            send(step.data)
            return
        update = self.take_update(now)
        if update is None:
            return
        self._server.stats.pushes += 1
        self._server.stats.notifications += 1
        message = update if isinstance(update, Update) else Records(update)
        send(self._connection.protocol.send_notification(message))

    def take_update(self, now: float) -> Update | tuple[Record, ...] | None:
        """Return everything since the last send; it will be sent, in this order."""
        self._be_clean()
        self._sent_at = now
        if self._feed.mutations:
            records, self._records = self._records, []
            if not records:
                return None
            if _most_bytes(records) > self._server.serving.limits.client_message:
                # Together they are more than the client takes: it would end the connection.
                records = [merge_records(records)]
            return tuple(records)
        if self._may_share():
            return self._next_step().update
        source = self._source
        return self._feed.diff(source.time(), source.queue_tick, source.machine_tick)

    def _may_share(self) -> bool:
        """Tell whether others may be told the same, which is encoded once then.

        Amid a drain the clock is not what it will be told to be; a replica may be moved by hand.
        """
        source = self._source
        return (
            self._observer.is_shared
            and not self._feed.mutations
            and source.is_local
            and source.transition is None
        )

    def _next_step(self) -> Step:
        source, observer = self._source, self._observer
        time = observer.clock(source)
        return self._feed.shared_diff(time, source.queue_tick, source.machine_tick, observer.steps)

    def take_all(self) -> Vector:
        """Return full values; later updates count from them."""
        self._be_clean()
        self._records.clear()
        self._sent_at = trio.current_time()
        source = self._source
        return self._feed.reset(source.time(), source.queue_tick, source.machine_tick)


def _most_bytes(records: list[Record]) -> int:
    # No number on the wire has more than nine bytes, and few have more than one.
    numbers = sum(len(record.called) + len(record.update.pairs) for record in records)
    return 9 * (numbers + 8 * len(records))


def merge_records(records: list[Record]) -> Record:
    """Return one record that does what all of them do, as a `set` of what they moved."""
    moved: dict[int, int] = {}
    dq = dm = 0
    for record in records:
        pairs = record.update.pairs
        for at in range(0, len(pairs), 2):
            moved[pairs[at]] = moved.get(pairs[at], 0) + pairs[at + 1]
        dq += record.update.dq
        dm += record.update.dm
    flat = tuple(number for pair in sorted(moved.items()) for number in pair)
    flipped = tuple(index for index, growth in sorted(moved.items()) if growth & 1)
    update = Update(flat, dq, dm, records[-1].update.sum)
    return Record(KIND_CODES["set"], flipped, update)
