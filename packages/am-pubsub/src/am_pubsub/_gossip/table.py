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
    from collections.abc import Iterable, Iterator

    from am_pubsub._config import TopicConfig

    from .entries import Entry, Info, Key, Rank, Schema


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


ACCEPTED = frozenset((Verdict.ADDED, Verdict.CHANGED, Verdict.REPLACED, Verdict.GONE))
REFUSED = frozenset((Verdict.REGRESSED, Verdict.WRONG_LENGTH))
"""What an honest peer never sends."""


class Table:
    """Records by machine, with their digest; schemas by hash."""

    def __init__(self, config: TopicConfig) -> None:
        self._config = config
        self._records: dict[Key, Record] = {}
        self._by_peer: dict[bytes, dict[int, Record]] = {}
        self._live: dict[bytes, int] = {}
        self.digest = Digest(config.buckets)
        self.schemas: dict[bytes, Schema] = {}

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        return iter(self._records.values())

    def get(self, key: Key) -> Record | None:
        """Return the record of a machine, of one that is gone too."""
        return self._records.get(key)

    def of_peer(self, peer: bytes) -> Iterable[Record]:
        """Return the records of a peer's machines."""
        return self._by_peer.get(peer, {}).values()

    def peers(self) -> list[bytes]:
        """Return the peers that are there, in the order in which they were met."""
        return [peer for peer in self._by_peer if self.is_live(peer)]

    def is_live(self, peer: bytes) -> bool:
        """Tell whether a peer's own machine is there."""
        record = self._records.get((peer, 0))
        return record is not None and not record.rank.gone

    def epoch_of(self, peer: bytes) -> int:
        """Return the epoch of a peer, -1 if nothing is known of it."""
        record = self._records.get((peer, 0))
        return record.rank.epoch if record is not None else -1

    def apply(self, entry: Entry, now: float) -> Verdict:
        """Take an entry if it is newer than what is held, by the rules of the topic."""
        key = entry.key
        held = self._records.get(key)
        rank = entry.rank
        if held is not None and rank[:3] == held.rank[:3]:
            # By far the most entries: what is known already, or a machine that moved.
            return self._moved(held, entry, rank, now)
        if held is None:
            return self._first(entry, rank, now)
        if rank < held.rank:
            return Verdict.OLDER
        if rank.gone:
            self._put(entry._replace(info=None), rank, now)
            return Verdict.GONE
        info = entry.info or held.entry.info
        if info is None:
            return Verdict.UNKNOWN
        verdict = self._newer(held, entry, info)
        if verdict in ACCEPTED:
            if verdict is Verdict.ADDED and self._live.get(key[0], 0) >= self._most_of_peer():
                return Verdict.TOO_MANY_MACHINES
            self._put(entry._replace(info=info), rank, now)
        return verdict

    def put_own(self, entry: Entry, now: float) -> None:
        """Put what this peer itself says of a machine of its own."""
        self._put(entry, entry.rank, now)

    def purge(self, now: float) -> None:
        """Forget machines that have been gone for long enough."""
        before = now - self._config.tombstone_for
        old = [key for key, held in self._records.items() if held.rank.gone and held.since < before]
        for key in old:
            held = self._records.pop(key)
            self.digest.change(held.bucket, held.row)
            del self.digest.keys[held.bucket][key]
            machines = self._by_peer[key[0]]
            del machines[key[1]]
            if not machines:
                del self._by_peer[key[0]]
        used = {held.entry.info.schema for held in self if held.entry.info is not None}
        for unused in [known for known in self.schemas if known not in used]:
            del self.schemas[unused]

    # -- the rules

    def _first(self, entry: Entry, rank: Rank, now: float) -> Verdict:
        peer = entry.key[0]
        if peer not in self._by_peer and len(self._by_peer) >= self._config.peers:
            return Verdict.TOO_MANY_PEERS
        if len(self._records) >= self._config.records:
            return Verdict.TOO_MANY_RECORDS
        if len(self._by_peer.get(peer, ())) >= 2 * self._most_of_peer():
            return Verdict.TOO_MANY_MACHINES  # most of them gone
        if rank.gone:
            self._put(entry._replace(info=None), rank, now)
            return Verdict.GONE
        if self._live.get(peer, 0) >= self._most_of_peer():
            return Verdict.TOO_MANY_MACHINES
        schema = self.schemas.get(entry.info.schema) if entry.info is not None else None
        if schema is None:
            return Verdict.UNKNOWN
        if len(schema.names) != rank.states:
            return Verdict.WRONG_LENGTH
        self._put(entry, rank, now)
        return Verdict.ADDED

    def _moved(self, held: Record, entry: Entry, rank: Rank, now: float) -> Verdict:
        """Judge an entry of the same epoch and as many states; gone ones have the sum 0."""
        if rank.total <= held.rank.total:
            return Verdict.SAME if rank.total == held.rank.total else Verdict.OLDER
        if any(map(lt, entry.vector, held.entry.vector)):
            return Verdict.REGRESSED
        self._put(entry._replace(info=held.entry.info), rank, now)
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
        if held.rank.gone:
            return Verdict.ADDED
        backwards = any(map(lt, vector, before))
        old = held.entry.info
        known = self.schemas.get(old.schema) if old is not None else None
        grown = known is not None and schema.names[: len(known.names)] == known.names
        if entry.epoch == held.rank.epoch:
            return Verdict.REGRESSED if backwards or not grown else Verdict.CHANGED
        return Verdict.REPLACED if backwards or not grown else Verdict.CHANGED

    def _put(self, entry: Entry, rank: Rank, now: float) -> None:
        key = entry.key
        held = self._records.get(key)
        was = held is not None and not held.rank.gone
        if held is None:
            peer, index = key
            held = self._records[key] = Record(self.digest.bucket_of(key))
            self._by_peer.setdefault(peer, {})[index] = held
            self.digest.keys[held.bucket][key] = None
        self.digest.change(held.bucket, held.take(entry, rank, now))
        if was == rank.gone:
            self._count(key[0], -1 if was else 1)

    def _count(self, peer: bytes, more: int) -> None:
        self._live[peer] = self._live.get(peer, 0) + more
        if not self._live[peer]:
            del self._live[peer]

    def _most_of_peer(self) -> int:
        # The topic's own machine, index 0, is one more.
        return self._config.machines_per_peer + 1
