"""MessagePack with bounds: values to bytes, and a stream of bytes to checked values.

The unpacker refuses oversized headers before it allocates for them; what it cannot check (depth,
key types, extension types) is checked on the finished value without recursion, so hostile nesting
cannot reach the interpreter's stack.
"""

from __future__ import annotations

import math
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgpack  # type: ignore[import-untyped]

from .._errors import EncodeError, LimitExceeded, ProtocolError, RpcError
from .bounds import bounds_of_chunked, bounds_of_client, bounds_of_server, bounds_of_stranger
from .container_count import ContainerCount

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._options import Limits
    from .bounds import Bounds

# The library's unpacker in Python reads nested values by recursion, and its limits come too late.
IS_COMPILED: Final = msgpack.Unpacker.__module__ == "msgpack._cmsgpack"
NOT_COMPILED: Final = (
    "msgpack runs without its compiled part, whose limits this package relies on: install a wheel"
    " of it, and unset MSGPACK_PUREPYTHON"
)
# Types of values that hold no other values.
SCALARS: Final = frozenset((NoneType, bool, int, float, str, bytes))
_TEXT: Final = frozenset((str,))
_SENDABLE: Final = (
    "None, bool, int, float, str, bytes can, and lists, tuples, dicts, dataclasses "
    "and enum members of these"
)
_INTS: Final = "an integer is out of range, which is from -2**63 to 2**64 - 1"
# The unpacker's own first allocation. Its default of 1 MiB would be paid for every connection.
_FIRST_BUFFER: Final = 4096
_MORE: Final = object()
# Unpackers kept for the next connection that has something to say.
_POOL: Final = 16
# Items that are checked before others get a turn.
_STEP: Final = 100_000
# Levels of a message that its args are within.
_AROUND: Final = 2

_packer: Final = msgpack.Packer(use_bin_type=True, autoreset=True)


def pack(value: Any) -> bytes:
    """Return `value` as MessagePack; raise `EncodeError` if it has no wire form."""
    try:
        packed: bytes = _packer.pack(value)
    except (TypeError, ValueError, OverflowError) as error:
        # A failed pack leaves its beginning in the shared packer.
        _packer.reset()
        is_int = isinstance(error, OverflowError)
        raise EncodeError(_INTS if is_int else str(error)) from error
    return packed


def check_value(root: object, depth: int, containers: float = math.inf) -> None:
    """Raise `ProtocolError` or `LimitExceeded` unless `root` is plain data of at most `depth`.

    It may have so many `containers`, which are arrays and maps.
    """
    level: list[Any] = [] if type(root) in SCALARS else [root]
    for _ in range(depth):
        if not level:
            return
        containers -= len(level)
        if containers < 0:
            raise LimitExceeded("too many arrays and maps in one message")
        level = _containers_within(level)
    if level:
        raise LimitExceeded(f"nested deeper than {depth} levels")


def check_in_steps(root: object, depth: int) -> Iterator[None]:
    """Check as `check_value` does, in steps between which others may have a turn."""
    level: list[Any] = [] if type(root) in SCALARS else [root]
    for _ in range(depth):
        nodes, level = level, []
        start = items = 0
        for end, node in enumerate(nodes, 1):
            items += len(node) if isinstance(node, (list, dict)) else 1
            if items > _STEP or end == len(nodes):
                level += _containers_within(nodes[start:end])
                start, items = end, 0
                yield
    if level:
        raise LimitExceeded(f"nested deeper than {depth} levels")


def _containers_within(level: list[Any]) -> list[Any]:
    """Return the arrays and maps among the items of these; raise `ProtocolError` at others."""
    plain = SCALARS.issuperset
    below: list[Any] = []
    for node in level:
        kind = type(node)
        if kind is dict:
            if not _TEXT.issuperset(map(type, node)):
                raise ProtocolError("map keys must be str")
            children = node.values()
        elif kind is list or kind is tuple:
            children = node
        else:
            raise ProtocolError("extension types are refused")
        # Most containers hold nothing but scalars; then no item is looked at in Python.
        if not plain(map(type, children)):
            below += [child for child in children if type(child) not in SCALARS]
    return below


def is_flat(value: object) -> bool:
    """Tell whether this is a scalar, or a map of texts to scalars."""
    if type(value) is dict:
        return _TEXT.issuperset(map(type, value)) and SCALARS.issuperset(map(type, value.values()))
    return type(value) in SCALARS


class Decoder:
    """Bytes in, top-level values out, none of them larger than the limits of its side.

    An unpacker is 45 KiB, so an idle connection has none: it is lent from a pool when bytes come
    and given back when they were used up. Who is not known yet (`stranger`) has one of its own
    and may say little altogether, few arrays and maps above all; see `admit`.
    """

    __slots__ = (
        "_bounds", "_count", "_fed", "_is_stranger", "_last", "_left", "_mark", "_pool",
        "_unpacker", "max_message", "size",
    )  # fmt: skip

    MORE: Final = _MORE
    # Settings -> unpackers that hold no byte of anybody.
    _pools: ClassVar[dict[tuple[int, ...], list[Any]]] = {}

    def __init__(
        self, limits: Limits, *, client: bool, states: int = 0, stranger: bool = False
    ) -> None:
        if not IS_COMPILED:
            raise RpcError(NOT_COMPILED)
        self._unpacker: Any = None
        self._fed = 0
        self._mark = 0
        self.size = 0
        # Of a message that comes in parts: arrays and maps in what has come of it.
        self._count = ContainerCount() if stranger else None
        self._last: bytes | bytearray | memoryview = b""
        self._is_stranger = stranger
        self._left = limits.stranger_bytes
        if stranger:
            self._bound(bounds_of_stranger(limits))
        else:
            self._bound(bounds_of_client(limits) if client else bounds_of_server(limits, states))

    def _bound(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self.max_message = bounds.message
        settings = (bounds.message, int(bounds.text), bounds.array, bounds.table)
        self._pool = self._pools.setdefault(settings, [])

    def admit(self, limits: Limits, states: int) -> None:
        """The peer is known now: it may say more. What it has said already is kept."""
        unpacker, rest = self._unpacker, b""
        if unpacker is not None:
            rest = unpacker.read_bytes(self._fed - self._mark)
        self._unpacker = None
        self._is_stranger = False
        self._count = None
        self._bound(bounds_of_server(limits, states))
        if rest:
            self.feed(rest)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; raise `LimitExceeded` if the unfinished message outgrows the limits."""
        if self._count is not None:
            self._count_containers(self._count, data)
        unpacker = self._unpacker
        if unpacker is None:
            is_lent = self._pool and not self._is_stranger
            unpacker = self._pool.pop() if is_lent else new_unpacker(self._bounds)
            self._unpacker = unpacker
            self._fed = self._mark = unpacker.tell()
        try:
            unpacker.feed(data)
        except (msgpack.BufferFull, BufferError) as error:
            raise LimitExceeded(f"message larger than {self.max_message} bytes") from error
        self._fed += len(data)
        self._last = data

    def _count_containers(
        self, count: ContainerCount, data: bytes | bytearray | memoryview
    ) -> None:
        most, limit = self._bounds.containers, self._bounds.names[3]
        if self._is_stranger:
            # Not a byte of theirs is decoded before it was counted.
            self._left -= len(data)
            if self._left < 0:
                raise LimitExceeded(
                    "too many bytes of a peer that is not known yet (Limits.stranger_bytes)"
                )
            count.feed(data)
        if count.total > most:
            raise LimitExceeded(f"more than {most} arrays and maps (Limits.{limit})")
        if not self._is_stranger:
            # These bytes may end the message; what comes behind it does not count.
            count.feed(data)

    def next_value(self) -> Any:
        """Return the next whole value or `Decoder.MORE`; `size` is then its length in bytes.

        The value is not checked yet beyond what its headers say; see `check_value`.
        """
        unpacker = self._unpacker
        if unpacker is None:
            return _MORE
        try:
            value = next(unpacker, _MORE)
        except (ValueError, msgpack.UnpackException) as error:
            raise ProtocolError(f"undecodable bytes: {type(error).__name__}") from error
        # The unpacker keeps unfinished values outside of its buffer, so its own bound on the
        # buffer does not bound a message; the distance from the message's start does.
        fed = self._fed
        end = fed if value is _MORE else unpacker.tell()
        size = end - self._mark
        if size > self.max_message:
            raise LimitExceeded(f"message larger than {self.max_message} bytes")
        if value is not _MORE:
            self.size = size
            self._mark = end
            if not self._is_stranger:
                self._count = None
            if end != fed:
                return value
        elif size:
            self._watch(size)
            return _MORE
        self._last = b""
        self._unpacker = None
        if len(self._pool) < _POOL and not self._is_stranger:
            self._pool.append(unpacker)
        return value

    def _watch(self, size: int) -> None:
        """A message came in part: count what is in it, if that was not begun before."""
        if self._count is None:
            self._count = ContainerCount()
            self._count.feed(self._last[-size:])
        self._last = b""

    @property
    def containers(self) -> float:
        """Return how many arrays and maps are still to be checked for in the last value."""
        most = self._bounds.containers
        return most if self.size > most else math.inf


def new_unpacker(bounds: Bounds) -> Any:
    """Return an unpacker that takes nothing larger than the bounds."""
    longest = int(min(bounds.text, bounds.message))
    return msgpack.Unpacker(
        read_size=min(_FIRST_BUFFER, bounds.message),
        max_buffer_size=bounds.message,
        max_str_len=longest,
        max_bin_len=longest,
        max_array_len=bounds.array,
        max_map_len=bounds.table,
        max_ext_len=0,
        raw=False,
        strict_map_key=True,
        ext_hook=_refuse_extension,
    )


def _refuse_extension(code: int, data: bytes) -> None:
    raise ValueError(f"extension type {code}")


def unpack(data: bytes | bytearray, limits: Limits) -> Any:
    """Return the one value that `data` holds, for payloads put together from chunks."""
    if not IS_COMPILED:
        raise RpcError(NOT_COMPILED)
    bounds = bounds_of_chunked(limits)
    try:
        value = msgpack.unpackb(
            data,
            raw=False,
            strict_map_key=True,
            max_array_len=bounds.array,
            max_map_len=bounds.table,
            max_ext_len=0,
            ext_hook=_refuse_extension,
        )
    except (ValueError, msgpack.UnpackException) as error:
        raise ProtocolError(f"undecodable payload: {type(error).__name__}") from error
    check_value(value, limits.depth)
    return value


class TooDeep(EncodeError):
    """Something is nested deeper than it may be; who knows the limit says which one."""


def encode_args(args: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Return keyword arguments as plain data, or raise `EncodeError`.

    Dataclasses become maps of their fields, enum members their values, tuples lists. Keys must be
    identifiers without a leading underscore, so that no private name can be set from afar.
    """
    # The args are a map like any other, their names texts.
    most, longest = min(limits.args_keys, limits.map), min(limits.arg_key, limits.text)
    if len(args) > most:
        raise EncodeError(f"{len(args)} args, more than {most} (Limits.args_keys)")
    deepest = min(limits.args_depth, limits.depth - _AROUND)
    plain: dict[str, Any] = {}
    for key, value in args.items():
        if not is_arg_name(key, longest):
            raise EncodeError(f"bad arg name {key[:32]!r}")
        try:
            plain[key] = value if type(value) in SCALARS else to_plain(value, deepest - 1)
        except TooDeep:
            told = f"nested deeper than {deepest} levels, the args included (Limits.args_depth)"
            raise EncodeError(f"argument {key}: {told}") from None
        except EncodeError as error:
            raise EncodeError(f"argument {key}: {error}") from None
    return plain


def is_arg_name(key: str, longest: int) -> bool:
    """Tell whether `key` may name an argument of at most `longest` bytes."""
    # A long one is judged before it is remembered: peers choose them.
    return len(key) <= longest and name_size(key) <= longest


@lru_cache(maxsize=4096)
def name_size(key: str) -> float:
    """Return how many bytes an argument's name has, infinitely many if it cannot be one."""
    if not key.isidentifier() or key.startswith("_"):
        return math.inf
    return len(key.encode())


def to_plain(value: Any, depth: int) -> Any:
    """Return `value` as plain data of at most `depth` levels, or raise `EncodeError`."""
    kind = type(value)
    if kind in SCALARS:
        return value
    if kind is dict and depth > 0 and _TEXT.issuperset(map(type, value)):
        # The usual case of what is told apart below.
        return {
            key: item if type(item) in SCALARS else to_plain(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, Enum):
        return to_plain(value.value, depth)
    if isinstance(value, (str, int, float, bytes, bytearray, memoryview)):
        return _to_scalar(value)
    if depth <= 0:
        raise TooDeep("nested too deep")
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: to_plain(getattr(value, f.name), depth - 1) for f in fields(value)}
    if isinstance(value, (list, tuple)):
        return [to_plain(item, depth - 1) for item in value]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise EncodeError(f"dict keys must be str, not {type(key).__name__}")
        return {str(key): to_plain(item, depth - 1) for key, item in value.items()}
    raise EncodeError(f"{type(value).__name__} cannot be sent; {_SENDABLE}")


def _to_scalar(value: Any) -> Any:
    # Subclasses such as am.State are reduced to what they are on the wire.
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    return bytes(value)
