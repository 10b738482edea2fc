"""What leaves: messages within the budget of their link, changes in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .messages import Kind, pack, pack_delta

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from random import Random

    from am_pubsub._config import TopicConfig

    from .entries import Key, Schema
    from .link import Link
    from .output import Output
    from .table import Table

_HEADERS = 64
"""Bytes around the entries and schemas of a message, at most."""


class Links(dict[int, "Link"]):
    """All connections by number; those with a known peer are the neighbours."""

    def neighbours(self) -> Iterator[Link]:
        """Yield the links whose other end said who it is."""
        return (link for link in self.values() if link.peer is not None)

    def of_peer(self, peer: bytes) -> Link | None:
        """Return the link to a peer."""
        return next((link for link in self.neighbours() if link.peer == peer), None)


class Sender:
    """Puts messages into the output, and decides when changes leave."""

    def __init__(
        self, table: Table, links: Links, output: Output, config: TopicConfig, random: Random
    ) -> None:
        self._table = table
        self._links = links
        self._output = output
        self._config = config
        self._random = random

    def send(self, link: Link, now: float, kind: Kind, *items: object) -> None:
        """Send a message, or drop and count it if the link has said too much."""
        self.send_packed(link, now, kind, pack(kind, *items))

    def send_packed(self, link: Link, now: float, kind: Kind, data: bytes) -> None:
        """Send a message that is packed already, within the same budget."""
        if link.sending.take(now):
            self._put(link, kind, data)
        else:
            self._output.counts[f"unsent.{kind.name.lower()}"] += 1

    def tell(self, key: Key, *, whole: bool) -> None:
        """Let all neighbours know of a machine; `whole`: also what it is."""
        for link in self._links.neighbours():
            link.want(key, whole=whole)

    def tell_on(self, news: Mapping[Key, bool], but: Link, now: float) -> None:
        """Let all neighbours but one know of machines of others, each with what it is if True.

        Two that hear the same at once would tell each other: each waits a little, and not for the
        same time.
        """
        earliest = now + self._config.relay_after * self._random.uniform(0.5, 1.5)
        whole = {key: True for key, told in news.items() if told}
        moved = [key for key, told in news.items() if not told]
        for link in self._links.neighbours():
            if link is not but:
                link.pending.update(whole)
                for key in moved:
                    link.pending.setdefault(key, False)
                link.soon(earliest)

    def flood(self, now: float, kind: Kind, *items: object, but: Link | None = None) -> None:
        """Send one message to all neighbours."""
        data = pack(kind, *items)
        for link in self._links.neighbours():
            if link is not but:
                self.send_packed(link, now, kind, data)

    def due(self) -> float | None:
        """Return when the next batch leaves."""
        times = [link.due for link in self._links.values() if link.due is not None]
        return min(times, default=None)

    def flush_due(self, now: float) -> None:
        """Send the batches whose time has come."""
        for link in self._links.values():
            if link.due is not None and link.due <= now:
                self.flush(link, now)

    def flush(self, link: Link, now: float, *, last: bool = False) -> None:
        """Send all that is pending for a link, as far as its budget allows.

        `last` says that an exchange of digests ends with it, even if nothing is pending.
        """
        link.due = None
        pending, link.pending = link.pending, {}
        batches = [*self._batches(link, pending)]
        if last and not batches:
            batches.append(([], [], []))
        for number, (keys, entries, schemas) in enumerate(batches, 1):
            link.last_batch = now
            if not link.sending.take(now):
                # Nothing is lost by waiting: what is pending becomes newer meanwhile.
                for key in keys:
                    link.want(key, whole=pending[key])
                link.due = now + link.sending.wait(now)
                continue
            link.schemas.update(schema.hash for schema in schemas)
            ends = last and number == len(batches)
            self._put(link, Kind.DELTA, pack_delta(entries, schemas, last=ends))

    def _batches(
        self, link: Link, pending: dict[Key, bool]
    ) -> Iterator[tuple[list[Key], list[bytes], list[Schema]]]:
        """Divide what is pending into messages of the size that one may have."""
        keys, entries, lacking = self._packed(link, pending)
        known = self._table.schemas
        schemas = {hash: schema for hash in lacking if (schema := known.get(hash)) is not None}
        size = sum(map(len, entries)) + sum(len(one.packed) for one in schemas.values())
        if not entries:
            return
        if _HEADERS + size <= self._config.batch_bytes:
            yield keys, entries, [*schemas.values()]
        else:
            yield from self._divided(keys, entries, pending, schemas)

    def _packed(
        self, link: Link, pending: dict[Key, bool]
    ) -> tuple[list[Key], list[bytes], dict[bytes, None]]:
        """Return what is pending and still there, packed, and the schemas that it lacks there.

        The busiest place of the sender, hence written out.
        """
        table, told = self._table, link.schemas
        get, is_signed = table.get, table.is_signed
        gone: set[Key] = set()
        entries: list[bytes] = []
        lacking: dict[bytes, None] = {}
        put = entries.append
        for key, whole in pending.items():
            record = get(key)
            if record is None or (is_signed and table.is_own_view(record.entry)):
                gone.add(key)
                continue
            entry = record.entry
            if whole and (info := record.info) is not None:
                put((info is entry.info and entry.whole) or entry.wire(info))
                if info.schema not in told:
                    lacking[info.schema] = None
            else:
                put(entry.short or entry.wire())
        return [key for key in pending if key not in gone] if gone else [*pending], entries, lacking

    def _divided(
        self,
        keys: list[Key],
        entries: list[bytes],
        pending: dict[Key, bool],
        lacking: dict[bytes, Schema],
    ) -> Iterator[tuple[list[Key], list[bytes], list[Schema]]]:
        """Yield parts that fit into a message each, with the schemas that each of them needs."""
        first, size = 0, _HEADERS
        schemas: dict[bytes, Schema] = {}
        for at, (key, packed) in enumerate(zip(keys, entries, strict=True)):
            record = self._table.get(key) if pending[key] else None
            info = record.info if record is not None else None
            schema = None
            if info is not None and info.schema not in schemas:
                schema = lacking.get(info.schema)
            more = len(packed) + (len(schema.packed) if schema is not None else 0)
            if size + more > self._config.batch_bytes and at > first:
                yield keys[first:at], entries[first:at], [*schemas.values()]
                first, size, schemas = at, _HEADERS, {}
            if schema is not None:
                schemas[schema.hash] = schema
            size += more
        yield keys[first:], entries[first:], [*schemas.values()]

    def _put(self, link: Link, kind: Kind, data: bytes) -> None:
        self._output.sends.append((link.id, data))
        counts = self._output.counts
        counts["sent"] += 1
        counts[f"sent.{kind.name.lower()}"] += 1
        counts["sent.bytes"] += len(data)


def in_parts(rows: Iterable[tuple[int, int]], most: int) -> Iterator[list[int]]:
    """Yield lists of numbers whose sizes add up to at most `most`, each at least one long."""
    part: list[int] = []
    size = 0
    for number, cost in rows:
        if part and size + cost > most:
            yield part
            part, size = [], 0
        part.append(number)
        size += cost
    if part:
        yield part
