"""What only a server says: changes of the clock, payloads, how its own source is.

Updates and records are named tuples, for a tuple is on the wire what it is here: an array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

from .._errors import InvalidParams
from .._value import Value
from .codec import is_flat
from .messages import trim
from .parse import array_of_uint, at, blob, boolean, indexes, text, uint

if TYPE_CHECKING:
    from .._options import Limits

KIND_CODES: Final = {"add": 0, "remove": 1, "set": 2, "auto": 3}
KIND_NAMES: Final = ("add", "remove", "set", "auto")
# Characters of a payload's name, and of the names of where it comes from.
_LONGEST: Final = 256
_MOST: Final = 2**63


class Update(NamedTuple):
    """Growth of tracked ticks since the last send, as flat index, increment pairs.

    In shallow mode `pairs` is the list of flipped indexes. `sum` is the checksum afterwards.
    """

    pairs: tuple[int, ...]
    dq: int
    dm: int
    sum: int

    @property
    def method(self) -> str:
        """Return the method name on the wire."""
        return "u"

    def params(self) -> Self:
        """Return `[pairs, dq, dm, sum]`."""
        return self

    @classmethod
    def parse(cls, params: Any, limits: Limits | None = None) -> Self:
        """Read params, or raise `InvalidParams`. Indexes are judged by who knows the states."""
        if type(params) is not list or len(params) < 4:
            raise InvalidParams("update")
        return cls(
            array_of_uint(params[0], "pairs"), uint(params[1]), uint(params[2]), uint(params[3], 16)
        )


class Record(NamedTuple):
    """One mutation of the source: kind (0 add, 1 remove, 2 set, 3 auto), called, its update."""

    kind: int
    called: tuple[int, ...]
    update: Update

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Read what a peer sent, or raise `InvalidParams`."""
        if type(value) is not list or len(value) < 3:
            raise InvalidParams("record")
        kind = uint(value[0])
        if kind >= len(KIND_NAMES):
            raise InvalidParams("record kind")
        return cls(kind, indexes(value[1]), Update.parse(value[2]))


class Records(Value):
    """Mutations of the source one by one, oldest first."""

    __slots__ = ("records",)
    method = "um"

    def __init__(self, records: tuple[Record, ...]) -> None:
        self.records = records

    def params(self) -> tuple[Record, ...]:
        """Return the records, which are the params."""
        return self.records

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(tuple(Record.parse(item) for item in params))


class Payload(Value):
    """Data for the client's consumer. After chunks `data` is nil and the chunks hold it."""

    __slots__ = ("data", "destination", "name", "source", "source_tx", "token")
    method = "p"

    def __init__(
        self,
        token: int,
        name: str,
        data: Any = None,
        source: str | None = None,
        source_tx: str | None = None,
        destination: str | None = None,
    ) -> None:
        self.token = token
        self.name = name
        self.data = data
        self.source = source
        self.source_tx = source_tx
        # A client behind this one; None if it is for this one and all that are behind it.
        self.destination = destination

    def params(self) -> list[Any]:
        """Return `[token, name, data, source, source_tx, destination]`."""
        rest = [self.source, self.source_tx, self.destination]
        return trim([self.token, self.name, self.data, *rest], None, None, None)

    @classmethod
    def parse_fast(cls, params: list[Any]) -> Self | None:
        """Read `[token, name, data, source?]` with flat data; None, and no verdict, if it is not
        that."""
        if len(params) != 3 and len(params) != 4:
            return None
        token, name, data = params[:3]
        source = params[3] if len(params) == 4 else None
        if type(token) is not int or not 0 <= token < _MOST:
            return None
        if type(name) is not str or len(name) > _LONGEST or not is_flat(data):
            return None
        if source is not None and (type(source) is not str or len(source) > _LONGEST):
            return None
        return cls(token, name, data, source)

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        source, transition, destination = at(params, 3), at(params, 4), at(params, 5)
        return cls(
            uint(at(params, 0)),
            text(at(params, 1), _LONGEST, "name"),
            at(params, 2),
            None if source is None else text(source, _LONGEST, "source"),
            None if transition is None else text(transition, _LONGEST, "source_tx"),
            None if destination is None else text(destination, _LONGEST, "destination"),
        )


class PayloadAnnounced(Value):
    """A payload of `size` encoded bytes follows."""

    __slots__ = ("name", "size", "token")
    method = "pd"

    def __init__(self, token: int, name: str, size: int) -> None:
        self.token = token
        self.name = name
        self.size = size

    def params(self) -> list[Any]:
        """Return `[token, name, size]`."""
        return [self.token, self.name, self.size]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(uint(at(params, 0)), text(at(params, 1), 256, "name"), uint(at(params, 2)))


class PayloadChunk(Value):
    """Part `index` of `count` of an encoded payload."""

    __slots__ = ("count", "data", "index", "token")
    method = "pc"

    def __init__(self, token: int, index: int, count: int, data: bytes) -> None:
        self.token = token
        self.index = index
        self.count = count
        self.data = data

    def params(self) -> list[Any]:
        """Return `[token, index, count, bytes]`."""
        return [self.token, self.index, self.count, self.data]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(
            uint(at(params, 0)),
            uint(at(params, 1), 32),
            uint(at(params, 2), 32),
            blob(at(params, 3), None, "chunk"),
        )


class SourceTouch(Value):
    """The server's own source is in touch again (true) or lost (false)."""

    __slots__ = ("alive",)
    method = "src"

    def __init__(self, alive: bool) -> None:
        self.alive = alive

    def params(self) -> list[Any]:
        """Return `[bool]`."""
        return [self.alive]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        return cls(boolean(at(params, 0), "src"))
