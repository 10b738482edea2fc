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

from .._errors import EncodeError, LimitExceeded, ProtocolError
from .bounds import bounds_of_chunked, bounds_of_client, bounds_of_server

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._options import Limits

# Types of values that hold no other values.
SCALARS: Final = frozenset((NoneType, bool, int, float, str, bytes))
_TEXT: Final = frozenset((str,))
# The unpacker's own first allocation. Its default of 1 MiB would be paid for every connection.
_FIRST_BUFFER: Final = 4096
_MORE: Final = object()
# Unpackers kept for the next connection that has something to say.
_POOL: Final = 16
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
        raise EncodeError(str(error)) from error
    return packed


def check_value(root: object, depth: int) -> None:
    """Raise `ProtocolError` or `LimitExceeded` unless `root` is plain data of at most `depth`."""
    plain = SCALARS.issuperset
    level: list[Any] = [] if type(root) in SCALARS else [root]
    for _ in range(depth):
        if not level:
            return
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
        level = below
    if level:
        raise LimitExceeded(f"nested deeper than {depth} levels")


def is_flat(value: object) -> bool:
    """Tell whether this is a scalar, or a map of texts to scalars."""
    if type(value) is dict:
        return _TEXT.issuperset(map(type, value)) and SCALARS.issuperset(map(type, value.values()))
    return type(value) in SCALARS


class Decoder:
    """Bytes in, top-level values out, none of them larger than the limits of its side.

    An unpacker is 45 KiB, so an idle connection has none: it is lent from a pool when bytes come
    and given back when they were used up.
    """

    __slots__ = (
        "_depth",
        "_fed",
        "_mark",
        "_pool",
        "_settings",
        "_unpacker",
        "max_message",
        "size",
    )

    MORE: Final = _MORE
    # Settings -> unpackers that hold no byte of anybody.
    _pools: ClassVar[dict[tuple[int, ...], list[Any]]] = {}

    def __init__(self, limits: Limits, *, client: bool, states: int = 0) -> None:
        bounds = bounds_of_client(limits) if client else bounds_of_server(limits, states)
        self.max_message = bounds.message
        self._settings = (bounds.message, int(bounds.text), bounds.array, bounds.table)
        self._pool = self._pools.setdefault(self._settings, [])
        self._unpacker: Any = None
        self._depth = limits.depth
        self._fed = 0
        self._mark = 0
        self.size = 0

    def _new_unpacker(self) -> Any:
        message, text, array, table = self._settings
        return msgpack.Unpacker(
            read_size=min(_FIRST_BUFFER, message),
            max_buffer_size=message,
            max_str_len=text,
            max_bin_len=text,
            max_array_len=array,
            max_map_len=table,
            max_ext_len=0,
            raw=False,
            strict_map_key=True,
            ext_hook=_refuse_extension,
        )

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes; raise `LimitExceeded` if the unfinished message outgrows the limit."""
        unpacker = self._unpacker
        if unpacker is None:
            unpacker = self._pool.pop() if self._pool else self._new_unpacker()
            self._unpacker = unpacker
            self._fed = self._mark = unpacker.tell()
        try:
            unpacker.feed(data)
        except (msgpack.BufferFull, BufferError) as error:
            raise LimitExceeded(f"message larger than {self.max_message} bytes") from error
        self._fed += len(data)

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
            if end != fed:
                return value
        elif size:
            return _MORE
        self._unpacker = None
        if len(self._pool) < _POOL:
            self._pool.append(unpacker)
        return value


def _refuse_extension(code: int, data: bytes) -> None:
    raise ValueError(f"extension type {code}")


def unpack(data: bytes | bytearray, limits: Limits) -> Any:
    """Return the one value that `data` holds, for payloads put together from chunks."""
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
                raise EncodeError("dict keys must be str")
        return {str(key): to_plain(item, depth - 1) for key, item in value.items()}
    raise EncodeError(f"{type(value).__name__} cannot be sent")


def _to_scalar(value: Any) -> Any:
    # Subclasses such as am.State are reduced to what they are on the wire.
    for base in (str, int, float):
        if isinstance(value, base):
            return base(value)
    return bytes(value)
