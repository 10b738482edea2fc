"""Payloads as data: cutting and joining chunks, and what is not delivered yet."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._errors import EncodeError, InvalidParams, LimitExceeded, PayloadTooLarge
from .bounds import bounds_of_chunked, bounds_of_client, piece_size
from .codec import TooDeep, pack, to_plain, unpack
from .fitting import check_width

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._budget import Budget
    from .._options import Limits
    from .server_messages import PayloadAnnounced, PayloadChunk


_NIL: Final = b"\xc0"


class Parcel(NamedTuple):
    """A payload on its way, as encoded bytes; `is_cut` if it is so large that it goes in chunks."""

    token: int
    name: str
    source: str | None
    source_tx: str | None
    encoded: bytes
    is_cut: bool = False
    destination: str | None = None

    @property
    def size(self) -> int:
        """Return how many bytes the encoded data has."""
        return len(self.encoded)

    def message(self) -> bytes:
        """Return the params of the call that delivers it, encoded; data in chunks is nil there."""
        rest: list[Any] = [self.source, self.source_tx, self.destination]
        while rest and rest[-1] is None:
            rest.pop()
        data = _NIL if self.is_cut else self.encoded
        if not rest and self.is_cut:
            return b"\x92" + pack(self.token) + pack(self.name)
        head = bytes([0x93 + len(rest)]) + pack(self.token) + pack(self.name)
        return b"".join([head, data, *map(pack, rest)])

    def chunks(self, size: int) -> Iterator[tuple[int, int, bytes]]:
        """Yield index, count and bytes of each chunk; nothing for a small payload."""
        if not self.is_cut:
            return
        count = -(-len(self.encoded) // size)
        view = memoryview(self.encoded)
        for index in range(count):
            yield index, count, bytes(view[index * size : (index + 1) * size])


def wrap(
    token: int,
    name: str,
    data: Any,
    source: str | None,
    source_tx: str | None,
    limits: Limits,
    destination: str | None = None,
) -> Parcel:
    """Return a parcel, or raise `EncodeError` or `LimitExceeded` before anything is sent."""
    if not isinstance(name, str) or not 0 < len(name) <= 256:
        raise EncodeError("a payload needs a name of at most 256 characters")
    what = f"data of payload {name}"
    try:
        # Payload and message share one depth limit; three levels are the message's own.
        plain = to_plain(data, limits.depth - 3)
        encoded = pack(plain)
    except TooDeep:
        told = (
            f"nested deeper than {limits.depth - 3} levels (Limits.depth, less the message's own)"
        )
        raise EncodeError(f"{what}: {told}") from None
    except EncodeError as error:
        raise EncodeError(f"{what}: {error}") from error
    if len(encoded) > limits.payload:
        told = f"limited to {limits.payload} bytes (Limits.payload), this one has {len(encoded)}"
        raise PayloadTooLarge(f"{what}: {told}")
    # A lone str or bin must fit the peer's limit on texts, headers included.
    is_cut = len(encoded) > piece_size(limits)
    bounds = bounds_of_chunked(limits) if is_cut else bounds_of_client(limits)
    if len(encoded) > bounds.least:
        check_width(what, plain, bounds)
    return Parcel(token, name, source, source_tx, encoded, is_cut, destination)


class Undelivered:
    """Payloads of one session that no consumer took yet, in order, bounded thrice.

    Args:
        limits: bounds in count and bytes.
        budget: that of the session.
    """

    def __init__(self, limits: Limits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget
        self._parcels: OrderedDict[int, Parcel] = OrderedDict()
        self._bytes = 0
        self._next = 0

    def __len__(self) -> int:
        return len(self._parcels)

    def __iter__(self) -> Iterator[Parcel]:
        return iter(tuple(self._parcels.values()))

    def next_token(self) -> int:
        """Return a token that was never used in this session."""
        self._next += 1
        return self._next

    def push(self, parcel: Parcel) -> None:
        """Keep a parcel until it is taken.

        Raises:
            LimitExceeded: too many, or too large together. One large parcel alone is allowed.
        """
        too_large = self._parcels and self._bytes + parcel.size > self._limits.undelivered_bytes
        if len(self._parcels) >= self._limits.undelivered or too_large:
            raise LimitExceeded(
                f"{len(self._parcels)} payloads with {self._bytes} bytes wait to be taken already "
                "(Limits.undelivered, Limits.undelivered_bytes)"
            )
        self._budget.take(parcel.size, "undelivered payloads")
        self._parcels[parcel.token] = parcel
        self._bytes += parcel.size

    def pop(self, token: int) -> None:
        """Forget a parcel, taken or given up."""
        parcel = self._parcels.pop(token, None)
        if parcel is not None:
            self._bytes -= parcel.size
            self._budget.give(parcel.size)


class Assembler:
    """Joins chunks on the client, under a cap on all that is unfinished."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._parts: dict[int, tuple[int, bytearray, int]] = {}
        self._announced = 0

    def announce(self, message: PayloadAnnounced) -> None:
        """Make room for a payload; raise `LimitExceeded` if it or all together are too large."""
        self.drop(message.token)
        if self._announced + message.size > self._limits.payload:
            raise LimitExceeded(f"payloads larger than {self._limits.payload} bytes")
        if message.size > piece_size(self._limits):
            self._parts[message.token] = (message.size, bytearray(), 0)
            self._announced += message.size

    def add(self, chunk: PayloadChunk) -> None:
        """Take the next chunk; raise `InvalidParams` if it is out of order or too much."""
        if chunk.token not in self._parts:
            raise InvalidParams("chunk of a payload that was not announced")
        size, data, index = self._parts[chunk.token]
        if chunk.index != index or len(data) + len(chunk.data) > size:
            self.drop(chunk.token)
            raise InvalidParams("chunk out of order")
        data += chunk.data
        self._parts[chunk.token] = (size, data, index + 1)

    def finish(self, token: int) -> Any:
        """Return the data of a chunked payload; raise `KeyError` if there is none."""
        size, data, _ = self._parts[token]
        self.drop(token)
        if len(data) != size:
            raise InvalidParams("payload is incomplete")
        return unpack(data, self._limits)

    def drop(self, token: int) -> None:
        """Forget what came of a payload."""
        part = self._parts.pop(token, None)
        if part is not None:
            self._announced -= part[0]


class SeenTokens:
    """The latest payload tokens, so that a repeat is answered but not delivered twice."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: OrderedDict[int, None] = OrderedDict()

    def __contains__(self, token: int) -> bool:
        return token in self._seen

    def add(self, token: int) -> None:
        """Remember a token."""
        self._seen[token] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
