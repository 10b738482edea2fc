"""Args too large for one message: cut into chunks by a client, put together by a server.

They go directly ahead of their mutation, which then only says how many chunks there were. A server
judges the mutation by the first chunk, so that nothing is kept of one that is not allowed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgpack  # type: ignore[import-untyped]

from .._errors import EncodeError, ErrorCode, InvalidParams, LimitExceeded, ProtocolError
from .._value import Value
from .bounds import args_piece, bounds_of_large
from .codec import check_in_steps, new_unpacker, pack
from .container_count import ContainerCount
from .messages import check_arg_names
from .parse import at, blob, indexes, mapping, text, uint

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from typing import Self

    from .._budget import Budget
    from .._options import Limits

# Answers to a call that may be made again: nothing of it was kept.
NO_ROOM: Final = "no room now"
INCOMPLETE: Final = "not all chunks have come"
# Bytes that are decoded before others get a turn.
_SLICE: Final = 64 * 1024
_LONGEST_METHOD: Final = 8
_MORE: Final = object()


class ArgsChunk(Value):
    """Part `index` of `count` of encoded args; the first also says of which mutation."""

    __slots__ = ("count", "data", "index", "mutation", "seq", "states")
    method = "ac"

    def __init__(
        self,
        seq: int,
        index: int,
        count: int,
        data: bytes,
        mutation: str = "",
        states: tuple[int, ...] = (),
    ) -> None:
        self.seq = seq
        self.index = index
        self.count = count
        self.data = data
        self.mutation = mutation
        self.states = states

    def params(self) -> list[Any]:
        """Return `[seq, index, count, bytes]`, of the first chunk also the method and indexes."""
        head = [self.seq, self.index, self.count, self.data]
        return head if self.index else [*head, self.mutation, self.states]

    @classmethod
    def parse(cls, params: list[Any], limits: Limits) -> Self:
        """Read params, or raise `InvalidParams`."""
        seq, index, count = (uint(at(params, place), 32) for place in range(3))
        data = blob(at(params, 3), None, "chunk")
        if index:
            return cls(seq, index, count, data)
        method = text(at(params, 4), _LONGEST_METHOD, "method")
        return cls(seq, index, count, data, method, indexes(at(params, 5)))


class LargeArgs:
    """Encoded args of one mutation, on their way in chunks.

    :raises EncodeError: if the mutation names more states than a chunk has room for.
    """

    __slots__ = ("_encoded", "_piece", "_states", "count")

    def __init__(self, args: Mapping[str, Any], states: tuple[int, ...], limits: Limits) -> None:
        self._piece, around = args_piece(limits)
        if len(pack(states)) > around:
            raise EncodeError(f"{len(states)} states are too many for a call with large args")
        self._encoded = pack(args)
        self._states = states
        self.count = -(-len(self._encoded) // self._piece)

    @property
    def size(self) -> int:
        """Return how many bytes the encoded args have."""
        return len(self._encoded)

    def chunks(self, seq: int, method: str) -> Iterator[ArgsChunk]:
        """Yield the messages that go ahead of the mutation."""
        view, piece = memoryview(self._encoded), self._piece
        for index in range(self.count):
            data = bytes(view[index * piece : (index + 1) * piece])
            yield ArgsChunk(seq, index, self.count, data, method, self._states)


class Assembly:
    """The args of one mutation, as far as they have come.

    Args:
        first: the first chunk.
        limits: those of the server.
        budget: what they are taken from, as one value.
    """

    __slots__ = ("_budget", "_chunks", "_count", "_data", "_limits", "count", "seq")

    def __init__(self, first: ArgsChunk, limits: Limits, budget: Budget) -> None:
        self._limits = limits
        self._budget = budget
        self._data = bytearray()
        self._count = ContainerCount()
        self._chunks = 0
        self.seq = first.seq
        self.count = first.count

    def add(self, chunk: ArgsChunk) -> None:
        """Take the next chunk.

        :raises InvalidParams: if it is out of order, or the args are too much.
        :raises LimitExceeded: if there is no room for it now.
        """
        if chunk.index != self._chunks or chunk.count != self.count or chunk.index >= self.count:
            raise InvalidParams("chunk of args out of order")
        limits, size = self._limits, len(self._data) + len(chunk.data)
        if size > limits.large_args:
            raise _too_much(f"more than {limits.large_args} bytes (Limits.large_args)")
        self._count.feed(chunk.data)
        if self._count.total > limits.containers:
            raise _too_much(f"more than {limits.containers} lists and dicts (Limits.containers)")
        self._budget.take(len(chunk.data), "args")
        self._data += chunk.data
        self._chunks += 1

    @property
    def is_whole(self) -> bool:
        """Tell whether all chunks have come."""
        return self._chunks == self.count

    def drop(self) -> None:
        """Keep nothing any more."""
        self._budget.give(len(self._data))
        self._data = bytearray()

    def decode(self) -> Generator[None, None, dict[str, Any]]:
        """Return the args, in steps between which others may have a turn.

        :raises InvalidParams: if they are no args, or a part is larger than the limits allow.
        """
        limits, data = self._limits, self._data
        # Room is made for all items of a container when it begins. Each has a byte at least.
        if self._count.items > len(data):
            raise InvalidParams("args: lists and dicts are not complete")
        unpacker = new_unpacker(bounds_of_large(limits))
        value: Any = _MORE
        view = memoryview(data)
        try:
            for start in range(0, len(view), _SLICE):
                if value is not _MORE:
                    raise InvalidParams("args: more than one value")
                unpacker.feed(view[start : start + _SLICE])
                value = next(unpacker, _MORE)
                yield
            if value is _MORE or unpacker.tell() != len(view):
                raise InvalidParams("args: not one value")
        except (ValueError, BufferError, msgpack.UnpackException) as error:
            raise InvalidParams(f"args: undecodable bytes: {type(error).__name__}") from error
        finally:
            view.release()
            self.drop()
        args = mapping(value, "args")
        check_arg_names(args, limits)
        try:
            yield from check_in_steps(args, limits.args_depth)
        except LimitExceeded:
            raise _too_much(f"nested deeper than {limits.args_depth} levels") from None
        except ProtocolError as error:
            raise InvalidParams(f"args: {error}") from error
        return args


def _too_much(told: str) -> InvalidParams:
    return InvalidParams(f"args: {told}", ErrorCode.TOO_LARGE)
