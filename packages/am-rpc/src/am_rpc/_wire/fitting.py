"""Whether a receiver will take it: what is sent is judged by the bounds of who reads it.

Nothing is sent that would end the connection; who made the call is told which argument it is, and
which limit.
"""

from __future__ import annotations

from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from .._errors import EncodeError
from .args_chunks import LargeArgs
from .bounds import bounds_of_large, bounds_of_server
from .codec import pack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .._options import Limits
    from .bounds import Bounds

_CONTAINERS: Final = frozenset((list, tuple, dict))
# Types whose values are never too long.
_NUMBERS: Final = frozenset((NoneType, bool, int, float))
# More than the bytes of a call beside its args, and than the containers.
_HEAD: Final = 64
_AROUND: Final = 8


def check_width(what: str, value: Any, bounds: Bounds) -> int:
    """Return how many lists and dicts plain data has, if its receiver takes each part of it.

    `what` names the data in the error.

    :raises EncodeError: if a part is longer than the receiver takes.
    """
    level = [value]
    containers = 0
    while level:
        containers += sum(type(node) in _CONTAINERS for node in level)
        if containers > bounds.containers:
            raise _too_many(what, containers, "lists and dicts", bounds.containers, bounds.names[3])
        below: list[Any] = []
        for node in level:
            kind = type(node)
            if kind is str or kind is bytes:
                _check_text(what, node, bounds)
            elif kind is dict:
                if len(node) > bounds.table:
                    raise _too_many(what, len(node), "keys", bounds.table, bounds.names[2])
                for key in node:
                    _check_text(what, key, bounds)
                below += _to_look_at(node.values())
            elif kind is list or kind is tuple:
                if len(node) > bounds.array:
                    raise _too_many(what, len(node), "items", bounds.array, bounds.names[1])
                below += _to_look_at(node)
        level = below
    return containers


def _to_look_at(children: Any) -> list[Any]:
    # Most long arrays hold nothing but numbers; then no item is looked at in Python.
    if _NUMBERS.issuperset(map(type, children)):
        return []
    return [child for child in children if type(child) not in _NUMBERS]


def _check_text(what: str, value: str | bytes, bounds: Bounds) -> None:
    size = len(value)
    # A character has at most four bytes.
    if type(value) is str and 4 * size > bounds.text:
        size = len(value.encode())
    if size > bounds.text:
        raise _too_many(what, size, "bytes in a text", int(bounds.text), bounds.names[0])


def _too_many(what: str, found: int, parts: str, most: int, limit: str) -> EncodeError:
    return EncodeError(f"{what}: {found} {parts}, at most {most} are taken (Limits.{limit})")


class ArgsFitting:
    """What a call to a server may carry.

    Args:
        limits: those of the server, which are taken to be one's own.
    """

    __slots__ = ("_bounds", "_large_bounds", "_limit", "_limits", "_most", "least")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bounds = bounds_of_server(limits)
        # None if the server takes no args in chunks.
        self._large_bounds = bounds_of_large(limits) if limits.large_args else None
        self._limit = "args" if limits.args < limits.message else "message"
        self._most = min(limits.args, limits.message)
        # Encoded calls up to this size need no look at what they consist of.
        self.least = min(self._bounds.least, self._most)

    def check(self, args: Mapping[str, Any], size: int) -> None:
        """Raise `EncodeError` unless a server takes a call of `size` bytes with these args."""
        if size > self._most:
            told = f"a call with args is limited to {self._most} bytes (Limits.{self._limit})"
            raise EncodeError(f"argument {_largest(args)}: {told}, this one has {size}")
        _check_widths(args, self._bounds)

    def cut(self, args: Mapping[str, Any], states: tuple[int, ...], size: int) -> LargeArgs | None:
        """Return the args as what travels ahead of a call, or None if the call holds them itself.

        :raises EncodeError: if a server takes a call of `size` bytes with these args in neither
            form.
        """
        bounds = self._large_bounds
        try:
            self.check(args, size)
        except EncodeError:
            if bounds is None:
                raise
        else:
            return None
        cut = LargeArgs(args, states, self._limits)
        if cut.size > bounds.message:
            told = f"args are limited to {bounds.message} bytes (Limits.large_args)"
            raise EncodeError(f"argument {_largest(args)}: {told}, these have {cut.size}")
        _check_widths(args, bounds)
        return cut

    def check_unsent(self, args: Mapping[str, Any]) -> None:
        """Raise `EncodeError` unless a server takes a call that is encoded later."""
        try:
            size = len(pack(args)) + _HEAD
        except EncodeError as error:
            raise blame(args, error) from error
        if size > self.least:
            self.check(args, size)


def _largest(args: Mapping[str, Any]) -> str:
    return max(args, key=lambda key: len(pack(args[key])), default="")


def _check_widths(args: Mapping[str, Any], bounds: Bounds) -> None:
    left = bounds.containers - _AROUND
    for key, value in args.items():
        left -= check_width(f"argument {key}", value, bounds)
        if left < 0:
            most, limit = bounds.containers - _AROUND, bounds.names[3]
            raise _too_many(f"argument {key}", most - left, "lists and dicts", most, limit)


def blame(args: Mapping[str, Any], error: EncodeError) -> EncodeError:
    """Return the error that also names the argument for which a call cannot be encoded."""
    for key, value in args.items():
        try:
            pack(value)
        except EncodeError as fault:
            return EncodeError(f"argument {key}: {fault}")
    return error
