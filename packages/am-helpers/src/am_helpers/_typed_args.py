"""Typed args: dataclasses from and to plain values, safe for input that nobody vouches for.

Sizes and depth are looked at before anything is made; the rest is `_args_converter`'s, which is
imported only where args are loaded or dumped.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from importlib import import_module
from typing import Any, TypeVar

import am_machine as am

T = TypeVar("T")

MAX_DEPTH = 8
"""How deep the values of loaded args may be nested; the args themselves are depth 1."""
MAX_LENGTH = 65_536
"""The longest text, bytes or collection that is loaded unless the caller says otherwise."""

_SMALL = frozenset((int, float, bool, type(None)))
_SIZED = (str, bytes, list, tuple, dict)


def args_names(cls: type) -> tuple[str, ...]:
    """Return the keywords that an args class takes, in order of definition."""
    return tuple(field.name for field in _init_fields(cls))


def args_to_args(src: object, dest: type[T]) -> T:
    """Make an args instance from another one, copying the fields of equal name.

    :raises am.ArgsError: if a required field of ``dest`` has no counterpart.
    """
    have = {name: getattr(src, name) for name in args_names(dest) if hasattr(src, name)}
    return _construct(dest, have, dest.__name__)


def args_log(instance: object, max_len: int = 20) -> dict[str, str]:
    """Return, as text, the fields marked ``metadata={"log": True}``.

    Text longer than ``max_len`` characters ends in ``…``; of bytes only the length is shown.
    """
    shown = {}
    for field in _init_fields(type(instance)):
        if field.metadata.get("log"):
            value = getattr(instance, field.name)
            text = f"{len(value)} bytes" if isinstance(value, bytes) else str(value)
            shown[field.name] = text if len(text) <= max_len else text[: max_len - 1] + "…"
    return shown


def args_load(cls: type[T], mapping: Mapping[str, Any], *, max_len: int = MAX_LENGTH) -> T:
    """Make an args instance from an untrusted mapping of plain values; `args_dump` undone.

    Fields may be ``str int float bool bytes None``, enums (by value), literals, lists, tuples,
    sets, dicts, paths, dates and times, UUIDs, decimals, dataclasses, and unions of what differs as
    a plain value. Nothing is converted but what has no plain form of its own, and int to float.
    Needs the extra ``[args]``.

    :raises am.ArgsError: if a key is unknown or missing, a value is of another type, longer than
        ``max_len``, or nested deeper than `MAX_DEPTH`, or the class itself refuses the values. The
        message names the place and never quotes the value.
    """
    names = args_names(cls)
    if not isinstance(mapping, Mapping):
        raise am.ArgsError(f"args: is {type(mapping).__name__} instead of a mapping")
    values = dict(mapping) if len(mapping) <= len(names) else None
    if values is None or not all(type(key) is str and key in names for key in values):
        raise am.ArgsError(f"args: unknown keys for {cls.__name__}")
    for key, value in values.items():
        fault = _oversize(value, 2, max_len)
        if fault is not None:
            raise am.ArgsError(f"args.{key}: {fault}")
    loaded: T = _converter().load(cls, values)
    return loaded


def args_dump(instance: Any) -> dict[str, Any]:
    """Return the fields as plain values, such as a wire carries. Needs the extra ``[args]``.

    Enums go by value, tuples and sets as lists, dataclasses as dicts, paths and dates as text.
    """
    _init_fields(type(instance))
    dumped: dict[str, Any] = _converter().dump(instance)
    return dumped


def args_load_keywords(
    cls: type, keywords: Mapping[str, Any], *, max_len: int = MAX_LENGTH
) -> dict[str, Any]:
    """Return untrusted plain keywords as the values that the fields of an args class declare.

    As `args_load`, but no instance is made: keywords may be missing, and those that are no field,
    or whose type says nothing of plain values (``Any``, a bare ``list``), stay as they are.
    Needs the extra ``[args]``.

    :raises am.ArgsError: if a value is of another type than its field's, longer than ``max_len`` or
        nested deeper than `MAX_DEPTH`. The message names the field and never quotes the value.
    """
    for field in _init_fields(cls):
        fault = _oversize(keywords[field.name], 2, max_len) if field.name in keywords else None
        if fault is not None:
            raise am.ArgsError(f"{field.name}: {fault}")
    loaded: dict[str, Any] = _converter().load_keywords(cls, keywords)
    return loaded


def args_dump_keywords(keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords as plain values, such as a wire carries; see `args_dump`.

    Needs the extra ``[args]``.
    """
    return {
        name: value if type(value) in _SMALL else _converter().dump(value)
        for name, value in keywords.items()
    }


@cache
def _converter() -> Any:
    return import_module("._args_converter", __package__)  # needs the extra


def _oversize(value: Any, depth: int, max_len: int) -> str | None:
    """Tell what is too large in a value; a loop of containers is too deep."""
    if depth > MAX_DEPTH:
        return f"nested deeper than {MAX_DEPTH}"
    if type(value) in _SMALL:
        return None
    if isinstance(value, _SIZED) and len(value) > max_len:
        return f"longer than {max_len}"
    if isinstance(value, list | tuple):
        items: Any = value
    elif isinstance(value, dict):
        items = (*value, *value.values())
    else:
        return None
    for item in items:
        if type(item) not in _SMALL or depth == MAX_DEPTH:
            fault = _oversize(item, depth + 1, max_len)
            if fault is not None:
                return fault
    return None


def _init_fields(cls: type) -> list[Field[Any]]:
    if not is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass")
    return [field for field in fields(cls) if field.init]


def _construct(cls: type[T], values: dict[str, Any], where: str) -> T:
    missing = [
        field.name
        for field in _init_fields(cls)
        if field.default is MISSING
        and field.default_factory is MISSING
        and field.name not in values
    ]
    if missing:
        raise am.ArgsError(f"{where}: missing {', '.join(missing)}")
    try:
        return cls(**values)
    except Exception as exc:  # whatever a class's own code makes of them
        raise am.ArgsError(f"{where}: refused by {cls.__name__}") from exc
