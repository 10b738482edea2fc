"""Typed args: dataclasses from and to plain values, safe for input that nobody vouches for.

Loading checks everything before it makes anything: keys, types, sizes and depth. The only
conversions are int to float, and list to tuple, since wire formats know only lists.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import am_machine as am

T = TypeVar("T")

MAX_DEPTH = 8
"""How deep the values of loaded args may be nested; the args themselves are depth 1."""
MAX_LENGTH = 65_536
"""The longest text, bytes or collection that is loaded unless the caller says otherwise."""

_SCALARS = (str, int, float, bool, bytes, type(None))


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

    Fields may be ``str int float bool bytes None``, enums (by value), lists, tuples, dicts,
    unions of these, and dataclasses.

    :raises am.ArgsError: if a key is unknown or missing, a value is of another type, longer than
        ``max_len``, or nested deeper than `MAX_DEPTH`, or the class itself refuses the values. The
        message names the place and never quotes the value.
    """
    loaded: T = _load_dataclass(cls, mapping, "args", 1, max_len)
    return loaded


def args_dump(instance: Any) -> dict[str, Any]:
    """Return the fields as plain values: enums by value, tuples as lists, dataclasses as dicts."""
    return {name: _plain(getattr(instance, name)) for name in args_names(type(instance))}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return args_dump(value)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    return value


def _init_fields(cls: type) -> list[Field[Any]]:
    if not is_dataclass(cls):
        raise TypeError(f"{cls!r} is not a dataclass")
    return [field for field in fields(cls) if field.init]


@lru_cache(maxsize=256)
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


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
    except (TypeError, ValueError) as exc:
        raise am.ArgsError(f"{where}: refused by {cls.__name__}") from exc


def _load_dataclass(cls: Any, value: object, where: str, depth: int, max_len: int) -> Any:
    names = args_names(cls)
    if not isinstance(value, Mapping):
        raise _wrong(where, "a mapping", value)
    _check_depth(where, depth)
    if len(value) > len(names) or not all(type(k) is str and k in names for k in value):
        raise am.ArgsError(f"{where}: unknown keys for {cls.__name__}")
    hints = _hints(cls)
    loaded = {
        key: _load(hints[key], item, f"{where}.{key}", depth + 1, max_len)
        for key, item in value.items()
    }
    return _construct(cls, loaded, where)


def _load(hint: Any, value: Any, where: str, depth: int, max_len: int) -> Any:
    _check_depth(where, depth)
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _load_union(get_args(hint), value, where, depth, max_len)
    if origin is not None:
        return _load_collection(origin, get_args(hint), value, where, depth, max_len)
    if hint is None:
        hint = type(None)
    if hint in _SCALARS:
        return _load_scalar(hint, value, where, max_len)
    if hint in (list, tuple, dict):
        raise am.ArgsError(f"{where}: the items of {hint.__name__} have no declared type")
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _load_enum(hint, value, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _load_dataclass(hint, value, where, depth, max_len)
    raise am.ArgsError(f"{where}: fields of type {hint!r} cannot be loaded")


def _load_scalar(hint: type, value: object, where: str, max_len: int) -> object:
    if hint is float and type(value) is int:
        try:
            return float(value)
        except OverflowError as exc:
            raise am.ArgsError(f"{where}: the number is too large") from exc
    if type(value) is not hint:  # exact: bool is an int, and subclasses may carry behaviour
        raise _wrong(where, "None" if hint is type(None) else hint.__name__, value)
    if isinstance(value, str | bytes) and len(value) > max_len:
        raise am.ArgsError(f"{where}: longer than {max_len}")
    return value


def _load_enum(hint: type[Enum], value: object, where: str) -> Enum:
    for member in hint:
        if type(member.value) is type(value) and member.value == value:
            return member
    raise am.ArgsError(f"{where}: not a value of {hint.__name__}")


def _load_union(
    options: tuple[Any, ...], value: object, where: str, depth: int, max_len: int
) -> Any:
    refusals = []
    for option in options:
        try:
            return _load(option, value, where, depth, max_len)
        except am.ArgsError as exc:
            refusals.append(str(exc))
    raise am.ArgsError("; ".join(refusals))


def _load_collection(
    origin: Any, params: tuple[Any, ...], value: Any, where: str, depth: int, max_len: int
) -> Any:
    if origin is dict:
        if type(value) is not dict:
            raise _wrong(where, "dict", value)
    elif origin not in (list, tuple):
        raise am.ArgsError(f"{where}: fields of type {origin!r} cannot be loaded")
    elif type(value) not in (list, origin):
        raise _wrong(where, origin.__name__, value)
    if len(value) > max_len:
        raise am.ArgsError(f"{where}: longer than {max_len}")
    if origin is dict:
        key_hint, item_hint = params
        return {
            _load(key_hint, key, f"{where} key", depth + 1, max_len): _load(
                item_hint, item, f"{where}[…]", depth + 1, max_len
            )
            for key, item in value.items()
        }
    hints = _item_hints(origin, params, len(value), where)
    pairs = enumerate(zip(hints, value, strict=True))
    return origin([_load(h, item, f"{where}[{i}]", depth + 1, max_len) for i, (h, item) in pairs])


def _item_hints(origin: Any, params: tuple[Any, ...], count: int, where: str) -> list[Any]:
    if origin is list or (len(params) == 2 and params[1] is Ellipsis):
        return [params[0]] * count
    if len(params) != count:
        raise am.ArgsError(f"{where}: has {count} items instead of {len(params)}")
    return list(params)


def _check_depth(where: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise am.ArgsError(f"{where}: nested deeper than {MAX_DEPTH}")


def _wrong(where: str, wanted: str, value: object) -> am.ArgsError:
    return am.ArgsError(f"{where}: is {type(value).__name__} instead of {wanted}")
