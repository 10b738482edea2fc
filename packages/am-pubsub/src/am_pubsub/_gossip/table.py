"""The records that a peer holds of all machines, its own included, and the rules to take new ones.

The table decides; it sends nothing and knows no link. What it refuses it names, so that the
refusal can be counted and, where something is only missing, be asked for.
"""

from __future__ import annotations

from enum import Enum
from operator import lt
from typing import TYPE_CHECKING

from .digest import Digest
from .entries import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from am_pubsub._config import TopicConfig

    from .entries import Entry, Info, Key, Schema


class Verdict(Enum):
    """What became of an entry."""

    ADDED = "added"
    """The machine was unknown, or gone."""
    CHANGED = "changed"
    REPLACED = "replaced"
    """Newer, but it begins anew: a higher epoch with lower ticks, or with another schema."""
    GONE = "gone"
    SAME = "same"
    OLDER = "older"
    UNKNOWN = "unknown"
    """What the machine is, or its schema, was not told: to be asked for."""
    REGRESSED = "regressed"
    WRONG_LENGTH = "wrong length"
    TOO_MANY_PEERS = "too many peers"
    TOO_MANY_RECORDS = "too many records"
    TOO_MANY_MACHINES = "too many machines of a peer"


# Tuples: to look into them costs no hash of a verdict, which is a call of its own.
ACCEPTED = (Verdict.ADDED, Verdict.CHANGED, Verdict.REPLACED, Verdict.GONE)
REFUSED = (Verdict.REGRESSED, Verdict.WRONG_LENGTH)
"""What an honest peer never sends."""


class Table:
    """Records by machine, with their digest; schemas by hash."""

    def __init__(self, config: TopicConfig, *, is_signed: bool = False) -> None:
        self._config = config
        self.is_signed = is_signed
        self._records: dict[Key, Record] = {}
        self.get: Callable[[Key], Record | None] = self._records.get
        """Return the record of a machine, of one that is gone too."""
        # The topic's own machine, index 0, is one more.
        self._most_of_peer = config.machines_per_peer + 1
        self._most_peers = config.peers
        self._most_records = config.records
        self._by_peer: dict[bytes, list[Record]] = {}
        self.digest = Digest(config.buckets)
        self.schemas: dict[bytes, Schema] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def of_peer(self, peer: bytes) -> Sequence[Record]:
        """Return the records of a peer's machines."""
        return self._by_peer.get(peer, ())

    def peers(self) -> list[bytes]:
        """Return the peers that are there, in the order in which they were met."""
        return [peer for peer in self._by_peer if self.is_live(peer)]

    def is_live(self, peer: bytes) -> bool:
        """Tell whether a peer's own machine is there."""
        record = self._records.get((peer, 0))
        return record is not None and not record.is_gone

    def epoch_of(self, peer: bytes) -> int:
        """Return the epoch of a peer, -1 if nothing is known of it."""
        record = self._records.get((peer, 0))
        return record.entry.epoch if record is not None else -1

    def apply(self, entry: Entry, now: float) -> Verdict:
        """Take an entry if it is newer than what is held, by the rules of the topic."""
        held = self._records.get(entry.key)
        if held is None:
            return self.first(entry, now)
        return self.renew(held, entry, now)

    def renew(self, held: Record, entry: Entry, now: float) -> Verdict:
        """Take an entry of a machine that has a record."""
        before = held.entry
        if entry is before:
            return Verdict.SAME
        if entry.epoch == before.epoch and len(entry.vector) == len(before.vector):
            # By far the most entries: what is known already, or a machine that moved.
            return self._moved(held, entry, now)
        if entry.rank < before.rank:
            return Verdict.OLDER
        if not entry.vector:
            self._replace(held, entry, None, now)
            return Verdict.GONE
        info = entry.info or held.info
        if info is None or (
            # What a machine is is signed with its epoch, and handed on as it came.
            self.is_signed and entry.info is None and entry.epoch != before.epoch
        ):
            return Verdict.UNKNOWN
        verdict = self._newer(held, entry, info)
        if verdict in ACCEPTED:
            if verdict is Verdict.ADDED and self._is_full(self._by_peer[entry.key[0]]):
                return Verdict.TOO_MANY_MACHINES
            self._replace(held, entry, info, now)
        return verdict

    def in_buckets(self, buckets: Iterable[int]) -> dict[int, list[Record]]:
        """Return the records of some buckets of the digest, in the order in which they came.

        Looked for when two digests differ, which is seldom beside the records that come.
        """
        found: dict[int, list[Record]] = {at: [] for at in buckets}
        for held in self._records.values():
            part = found.get(held.bucket)
            if part is not None:
                part.append(held)
        return found

    def put_own(self, entry: Entry, now: float) -> None:
        """Put what this peer itself says of a machine of its own."""
        held = self._records.get(entry.key)
        if held is None:
            self._insert(entry, now)
        else:
            self._replace(held, entry, entry.info, now)

    def is_own_view(self, entry: Entry) -> bool:
        """Tell whether only this peer says so: nobody signs that somebody else has died."""
        return self.is_signed and not entry.signature and not entry.vector

    def purge(self, now: float) -> None:
        """Forget machines that have been gone for long enough."""
        before = now - self._config.tombstone_for
        old = [key for key, held in self._records.items() if held.is_gone and held.since < before]
        for key in old:
            held = self._records.pop(key)
            self.digest.change(held.bucket, self._row(held.entry))
            machines = self._by_peer[key[0]]
            machines.remove(held)
            if not machines:
                del self._by_peer[key[0]]
        used = {held.info.schema for held in self if held.info is not None}
        for unused in [known for known in self.schemas if known not in used]:
            del self.schemas[unused]

    # -- the rules

    def first(self, entry: Entry, now: float) -> Verdict:
        """Take an entry of a machine that has no record yet."""
        machines = self._by_peer.get(entry.key[0])
        if machines is None and len(self._by_peer) >= self._most_peers:
            return Verdict.TOO_MANY_PEERS
        if len(self._records) >= self._most_records:
            return Verdict.TOO_MANY_RECORDS
        if machines is not None and len(machines) >= self._most_of_peer:
            most = 2 * self._most_of_peer  # of which half are gone
            if len(machines) >= most:
                return Verdict.TOO_MANY_MACHINES
            if entry.vector and self._is_full(machines):
                return Verdict.TOO_MANY_MACHINES
        if not entry.vector:
            self._insert(entry, now)
            return Verdict.GONE
        info = entry.info
        schema = self.schemas.get(info.schema) if info is not None else None
        if schema is None:
            return Verdict.UNKNOWN
        if len(schema.names) != len(entry.vector):
            return Verdict.WRONG_LENGTH
        self._insert(entry, now)
        return Verdict.ADDED

    def _moved(self, held: Record, entry: Entry, now: float) -> Verdict:
        """Judge an entry of the same epoch and as many states; gone ones have the sum 0."""
        before = held.entry
        if entry.total <= before.total:
            return Verdict.SAME if entry.total == before.total else Verdict.OLDER
        if any(map(lt, entry.vector, before.vector)):
            return Verdict.REGRESSED
        held.entry = entry
        held.since = now
        self.digest.change(held.bucket, before.row ^ entry.row)
        return Verdict.CHANGED

    def _newer(self, held: Record, entry: Entry, info: Info) -> Verdict:
        """Judge an entry of higher rank that says its machine is there."""
        schema = self.schemas.get(info.schema)
        if schema is None:
            return Verdict.UNKNOWN
        vector, before = entry.vector, held.entry.vector
        if len(schema.names) != len(vector):
            # A schema that grew, of which we were not told: it has to be asked for.
            return Verdict.UNKNOWN if entry.info is None else Verdict.WRONG_LENGTH
        if held.is_gone:
            return Verdict.ADDED
        backwards = any(map(lt, vector, before))
        old = held.info
        known = self.schemas.get(old.schema) if old is not None else None
        grown = known is not None and schema.names[: len(known.names)] == known.names
        if entry.epoch == held.entry.epoch:
            return Verdict.REGRESSED if backwards or not grown else Verdict.CHANGED
        return Verdict.REPLACED if backwards or not grown else Verdict.CHANGED

    # -- records

    def _insert(self, entry: Entry, now: float) -> None:
        key = entry.key
        bucket = self.digest.put(key, self._row(entry) if self.is_signed else entry.row)
        held = Record(entry, entry.info if entry.vector else None, bucket, now)
        self._records[key] = held
        machines = self._by_peer.get(key[0])
        if machines is None:
            self._by_peer[key[0]] = [held]
        else:
            machines.append(held)

    def _replace(self, held: Record, entry: Entry, info: Info | None, now: float) -> None:
        before = held.entry
        held.entry = entry
        held.info = info if entry.vector else None
        held.since = now
        self.digest.change(held.bucket, self._row(before) ^ self._row(entry))

    def _is_full(self, machines: list[Record]) -> bool:
        """Tell whether a peer has as many machines as it may; those that are gone do not count."""
        most = self._most_of_peer
        return len(machines) >= most and sum(not one.is_gone for one in machines) >= most

    def _row(self, entry: Entry) -> int:
        return 0 if self.is_own_view(entry) else entry.row
