"""Type checks for values that a peer sent. Each returns the value or raises `InvalidParams`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from .._errors import InvalidParams

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
# The most states that a hello may name.
MOST_NAMES: Final = 4096
_INTS: Final = frozenset((int,))


def at(params: list[Any], index: int) -> Any:
    """Return a param, or nil if it is missing."""
    return params[index] if index < len(params) else None


def uint(value: Any, bits: int = 63) -> int:
    """Return an unsigned integer of at most `bits` bits; true is not 1 here."""
    if type(value) is not int or value < 0 or value >> bits:
        raise InvalidParams(f"an unsigned {bits}-bit integer was expected")
    return value


def uint_or_none(value: Any) -> int | None:
    """Return an unsigned integer or nil."""
    return None if value is None else uint(value)


def boolean(value: Any, what: str) -> bool:
    """Return a bool."""
    if type(value) is not bool:
        raise InvalidParams(f"{what}: a bool was expected")
    return value


def text(value: Any, most: int, what: str, *, least: int = 0) -> str:
    """Return a str of at most `most` characters."""
    if type(value) is not str or not least <= len(value) <= most:
        raise InvalidParams(f"{what}: a str of at most {most} characters was expected")
    return value


def printable(value: Any, most: int, what: str) -> str:
    """Return a str that can stand in a log, of at least one character and at most `most`."""
    found = text(value, most, what, least=1)
    if not found.isprintable():
        raise InvalidParams(f"{what}: printable characters were expected")
    return found


def blob(value: Any, size: int | None, what: str) -> bytes:
    """Return bytes, of exactly `size` if it is given."""
    if type(value) is not bytes or (size is not None and len(value) != size):
        raise InvalidParams(f"{what}: bytes were expected")
    return value


def mapping(value: Any, what: str) -> dict[str, Any]:
    """Return a map; its keys were checked when it was decoded."""
    if type(value) is not dict:
        raise InvalidParams(f"{what}: a map was expected")
    return value


def optional(parse: Callable[[Any, str], T], value: Any, what: str) -> T | None:
    """Return nil, or what `parse` makes of the value."""
    return None if value is None else parse(value, what)


def uints(value: Any) -> tuple[int, ...] | None:
    """Return a flat array of unsigned integers, or None if it is none."""
    if type(value) is not list:
        return None
    if value and (not _INTS.issuperset(map(type, value)) or min(value) < 0 or max(value) >> 63):
        return None
    return tuple(value)


def array_of_uint(value: Any, what: str) -> tuple[int, ...]:
    """Return a flat array of unsigned integers."""
    found = uints(value)
    if found is None:
        raise InvalidParams(f"{what}: an array of unsigned integers was expected")
    return found


def indexes(value: Any) -> tuple[int, ...]:
    """Return an array of state indexes; whether they exist is judged by who knows the states."""
    return array_of_uint(value, "states")


def names(value: Any, what: str) -> tuple[str, ...]:
    """Return an array of names."""
    if type(value) is not list:
        raise InvalidParams(f"{what}: an array was expected")
    for item in value:
        if type(item) is not str or not 0 < len(item) <= 128:
            raise InvalidParams(f"{what}: names were expected")
    return tuple(value)


def joined_names(value: Any, what: str) -> tuple[str, ...] | None:
    """Return nil, an array of names, or at most 4,096 names that came joined by newlines."""
    if value is None:
        return None
    if type(value) is bytes:
        try:
            value = value.decode().split("\n") if value else []
        except UnicodeDecodeError:
            raise InvalidParams(f"{what}: names were expected") from None
        if len(value) > MOST_NAMES:
            raise InvalidParams(f"{what}: too many names")
    return names(value, what)
