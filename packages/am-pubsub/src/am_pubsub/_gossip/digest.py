"""A digest of all records: equal on two peers if, and in practice only if, they hold the same.

Each machine belongs to one bucket. A bucket is the XOR of the hashes of its rows, so a change
costs two operations, and the order in which things were learned leaves no trace.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING
from zlib import crc32

if TYPE_CHECKING:
    from .entries import Key

_WIDTH = 8


class Digest:
    """The buckets, and the root that stands for all of them."""

    __slots__ = ("buckets", "root")

    def __init__(self, buckets: int) -> None:
        self.buckets = [0] * buckets
        self.root = 0

    def put(self, key: Key, row: int) -> int:
        """Put a machine in; return the bucket that it belongs to, the same on every peer."""
        bucket = crc32(b"%b:%d" % key) % len(self.buckets)
        self.buckets[bucket] ^= row
        self.root ^= row
        return bucket

    def change(self, bucket: int, change: int) -> None:
        """Take a row out of a bucket, put one in, or both: `change` is the XOR of their hashes."""
        self.buckets[bucket] ^= change
        self.root ^= change

    def root_bytes(self) -> bytes:
        """Return the root as it travels."""
        return self.root.to_bytes(_WIDTH, "big")

    def bucket_bytes(self) -> bytes:
        """Return all buckets as they travel."""
        return struct.pack(f">{len(self.buckets)}Q", *self.buckets)

    def unequal(self, theirs: bytes) -> list[int]:
        """Return which buckets differ from those of a peer.

        :raises ValueError: if that peer divides its digest otherwise.
        """
        if len(theirs) != _WIDTH * len(self.buckets):
            raise ValueError("digest with another number of buckets")
        mine = self.bucket_bytes()
        return [
            at
            for at in range(len(self.buckets))
            if mine[at * _WIDTH : (at + 1) * _WIDTH] != theirs[at * _WIDTH : (at + 1) * _WIDTH]
        ]
