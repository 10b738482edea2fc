"""Untrusted values to the values that messages are made of: each of its type and within bounds, or
a `DecodeError`."""

from __future__ import annotations

from typing import Any, NoReturn

from .._errors import DecodeError
from . import messages as m

MAX_NUMBER = 1 << 62


def check_depth(value: Any, above: int = 0) -> None:
    """See that lists and maps do not nest too deep, `above` levels being above these. Level by
    level, so that no depth is too much for it.

    :raises DecodeError: if they do.
    """
    level = [value]
    for _ in range(m.MAX_DEPTH - above):
        deeper: list[Any] = []
        for one in level:
            found = one.values() if type(one) is dict else one if type(one) is list else ()
            deeper += [inner for inner in found if type(inner) is list or type(inner) is dict]
        if not deeper:
            return
        level = deeper
    raise DecodeError(f"lists and maps nest deeper than {m.MAX_DEPTH}")


def part(value: Any, size: int, what: str, above: int) -> None:
    """See that it is a list of at least so many items; what follows them is passed over. `above`
    lists and maps are around it."""
    if type(value) is not list or len(value) < size:
        refuse(what, value)
    if len(value) > size:
        check_depth(value[size:], above)


def refuse(what: str, value: Any) -> NoReturn:
    """Say of a value that it is not what it should be.

    :raises DecodeError: always.
    """
    raise DecodeError(f"{what} is {type(value).__name__}, or out of bounds")


def whole(value: Any, what: str, most: int = MAX_NUMBER, least: int = 0) -> int:
    """A whole number within bounds."""
    if type(value) is not int or not least <= value <= most:
        refuse(what, value)
    return value


def text(value: Any, what: str) -> str:
    """A text."""
    if type(value) is not str:
        refuse(what, value)
    return value


def octets(value: Any, size: int, what: str) -> bytes:
    """So many bytes."""
    if type(value) is not bytes or len(value) != size:
        refuse(what, value)
    return value


def items(value: Any, what: str) -> list[Any]:
    """A list."""
    if type(value) is not list:
        refuse(what, value)
    return value


def texts(value: Any, what: str) -> tuple[str, ...]:
    """A list of texts."""
    if type(value) is not list:
        refuse(what, value)
    for one in value:
        if type(one) is not str:
            refuse(what, one)
    return tuple(value)


def indexes(value: Any, what: str) -> tuple[int, ...]:
    """A list of state indexes."""
    if type(value) is not list:
        refuse(what, value)
    for one in value:
        if type(one) is not int or not 0 <= one < m.MAX_STATES:
            refuse(what, one)
    return tuple(value)


def ticks(value: Any, what: str) -> tuple[int, ...]:
    """A clock: a tick for each state."""
    if type(value) is not list or len(value) > m.MAX_STATES:
        refuse(what, value)
    for one in value:
        if type(one) is not int or not 0 <= one <= MAX_NUMBER:
            refuse(what, one)
    return tuple(value)
