"""Typed args to and from plain values, by cattrs. Needs the extra ``[args]``.

What a wire can carry is text, bytes, numbers, bools, None, lists and maps; what args may be beside
these has one plain form each (`_AS_TEXT`, enums by value, tuples and sets as lists, dataclasses as
maps). Loading is exact: cattrs' own hooks would turn ``"80"`` into an int and a text into a list of
its characters. Members of a union are told apart by their plain forms; a union in which two of them
look alike is refused, since it could not be loaded back.

Why cattrs: docs/decisions/args-converter.md.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Hook = Callable[[Any, Any], Any]

try:
    import cattrs
except ImportError as exc:
    raise ImportError("typed args need cattrs: install am-helpers[args]") from exc
from cattrs.cols import homogenous_tuple_structure_factory, list_structure_factory
from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError
from cattrs.gen import mapping_structure_factory

T = TypeVar("T")

_NATIVE: tuple[type, ...] = (str, int, bool, bytes, NoneType)
_AS_TEXT: dict[type, Callable[[str], Any]] = {
    Path: Path,
    datetime: datetime.fromisoformat,
    date: date.fromisoformat,
    time: time.fromisoformat,
    UUID: UUID,
    Decimal: Decimal,
}
_TOLD = 5  # faults that one message lists
_TOLD_LENGTH = 300  # characters of one of them


class _Unloadable(Exception):
    """A value or a declared type that cannot be loaded; the text quotes neither."""


def load(cls: type[T], value: object) -> T:
    """Make an instance of a dataclass; the sizes of the value have been looked at.

    :raises am.ArgsError: if it cannot be made, for whatever reason.
    """
    try:
        loaded: T = _CONVERTER.structure(value, cls)
    except Exception as exc:  # also what a class's own code makes of hostile values
        faults = [fault[:_TOLD_LENGTH] for fault in _faults(exc, "args", cls)]
        more = [f"and {len(faults) - _TOLD} more"] if len(faults) > _TOLD else []
        raise am.ArgsError("; ".join(faults[:_TOLD] + more)) from exc
    return loaded


def dump(instance: object) -> Any:
    """Return the plain form of an instance of a dataclass."""
    return _CONVERTER.unstructure(instance)


def load_keywords(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords as the values that the fields of a dataclass declare.

    What is no field, and fields of types that say nothing of plain values, stay as they are.

    :raises am.ArgsError: if a value is none of its field's; it names the field.
    """
    loaded = dict(values)
    for name, kind in _declared(cls).items():
        if name in values and type(values[name]) is not kind:
            try:
                loaded[name] = _CONVERTER.structure(values[name], kind)
            except Exception as exc:  # also what a class's own code makes of hostile values
                faults = [fault[:_TOLD_LENGTH] for fault in _faults(exc, name, kind)]
                raise am.ArgsError("; ".join(faults[:_TOLD])) from exc
    return loaded


@lru_cache(maxsize=1024)
def _declared(cls: type) -> dict[str, Any]:
    """The fields of a dataclass whose types can be loaded."""
    try:
        hints = get_type_hints(cls)
    except (NameError, TypeError):  # they cannot be resolved outside of their module
        return {}
    return {
        field.name: hints[field.name]
        for field in fields(cls)
        if field.init and field.name in hints and _is_loadable(hints[field.name])
    }


def _is_loadable(kind: Any) -> bool:
    """Whether a declared type says what each part of a value must be."""
    if kind in _NATIVE or kind in _AS_TEXT or kind in (float, timedelta):
        return True
    if _is_literal(kind) or _is_enum(kind) or _is_dataclass(kind):
        return True
    if get_origin(kind) in (Union, UnionType) or _is_collection(kind):
        params = [param for param in get_args(kind) if param is not Ellipsis]
        return bool(params) and all(map(_is_loadable, params))
    return False


def _faults(exc: BaseException, where: str, kind: Any) -> list[str]:
    if isinstance(exc, ClassValidationError | IterableValidationError):
        noted, bare = exc.group_exceptions()
        found = []
        for inner, note in noted:
            at = getattr(note, "name", None) or getattr(note, "index", None)
            # A key of a map is the sender's: it is not repeated.
            place = f".{at}" if hasattr(note, "name") else f"[{at if isinstance(at, int) else '…'}]"
            if isinstance(inner, KeyError) and inner.args == (at,):
                found.append(f"{where}{place}: missing")
            else:
                found += _faults(inner, where + place, note.type)
        owner = getattr(exc, "cl", kind)
        return found + [fault for inner in bare for fault in _faults(inner, where, owner)]
    if isinstance(exc, ForbiddenExtraKeysError):
        return [f"{where}: unknown keys for {exc.cl.__name__}"]
    if isinstance(exc, _Unloadable):
        return [f"{where}: {exc}"]
    return [f"{where}: refused by {getattr(kind, '__name__', kind)} ({type(exc).__name__})"]


def _wrong(wanted: str, value: object) -> _Unloadable:
    return _Unloadable(f"is {type(value).__name__} instead of {wanted}")


def _exactly(kind: type) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is not kind:  # exact: bool is an int, and subclasses may carry behaviour
            raise _wrong("None" if kind is NoneType else kind.__name__, value)
        return value

    return hook


def _float(value: Any, _: Any) -> float:
    if type(value) is int:
        try:
            return float(value)
        except OverflowError:
            raise _Unloadable("the number is too large") from None
    if type(value) is not float:
        raise _wrong("float", value)
    return value


def _from_text(kind: type, parse: Callable[[str], Any]) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is not str:
            raise _wrong(f"{kind.__name__} as text", value)
        try:
            return parse(value)
        except (ValueError, ArithmeticError):
            raise _Unloadable(f"is no {kind.__name__}") from None

    return hook


def _timedelta(value: Any, _: Any) -> timedelta:
    try:
        return timedelta(seconds=_float(value, float))
    except (ValueError, OverflowError):
        raise _Unloadable("is no timedelta") from None


def _enum(kind: Any) -> Hook:
    members = {(type(member.value), member.value): member for member in kind}

    def hook(value: Any, _: Any) -> Any:
        try:
            return members[type(value), value]
        except (KeyError, TypeError):  # TypeError: not hashable
            raise _Unloadable(f"not a value of {kind.__name__}") from None

    return hook


def _but_not_of_subclasses(kind: type, hook: Hook) -> Hook:
    """A hook registered for a type is cattrs' choice for its subclasses too: `IntEnum` for int."""
    of_subclasses: dict[Any, Hook] = {}

    def chosen(value: Any, declared: Any) -> Any:
        if declared is kind:
            return hook(value, declared)
        if declared not in of_subclasses:
            make = _enum if _is_enum(declared) else _unknown
            of_subclasses[declared] = make(declared)
        return of_subclasses[declared](value, declared)

    return chosen


def _literal(kind: Any) -> Hook:
    values = {(type(value), value) for value in get_args(kind)}

    def hook(value: Any, _: Any) -> Any:
        if type(value) not in _NATIVE or (type(value), value) not in values:
            raise _Unloadable("none of the values that may stand here")
        return value

    return hook


def _checked(kinds: tuple[type, ...], wanted: str, inner: Hook) -> Hook:
    def hook(value: Any, declared: Any) -> Any:
        if type(value) not in kinds:
            raise _wrong(wanted, value)
        return inner(value, declared)

    return hook


def _collection(kind: Any, converter: Any) -> Hook:
    origin, params = get_origin(kind) or kind, get_args(kind)
    name = getattr(origin, "__name__", str(origin))
    if not params:
        return _refuse(f"the items of {name} have no declared type")
    if origin is dict:
        inner: Hook = mapping_structure_factory(kind, converter)
        return _checked((dict,), "dict", inner)
    if origin is list:
        return _checked((list,), "list", list_structure_factory(kind, converter))
    if origin is tuple and len(params) == 2 and params[1] is Ellipsis:
        inner = homogenous_tuple_structure_factory(kind, converter)
        return _checked((list, tuple), "tuple", inner)
    if origin is tuple:
        return _checked((list, tuple), "tuple", _fixed_tuple(params, converter))
    items = list_structure_factory(list[params[0]], converter)  # type: ignore[valid-type]
    return _checked((list,), f"{name} as a list", lambda value, _: origin(items(value, list)))


def _fixed_tuple(params: tuple[Any, ...], converter: Any) -> Hook:
    def hook(value: Any, _: Any) -> tuple[Any, ...]:
        if len(value) != len(params):
            raise _Unloadable(f"has {len(value)} items instead of {len(params)}")
        pairs = zip(value, params, strict=True)
        return tuple([converter.structure(item, kind) for item, kind in pairs])

    return hook


def _refuse(why: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        raise _Unloadable(why)

    return hook


def _union(kind: Any, converter: Any) -> Hook:
    """Members by the plain type that each is known by."""
    by_form: dict[type, Any] = {}
    maps = []
    for member in get_args(kind):
        if _is_dataclass(member):
            maps.append(member)
            continue
        for form in _forms(member):
            if form in by_form:
                return _refuse(f"two members of {kind} look alike as plain values")
            by_form[form] = member
    if maps and dict in by_form:
        return _refuse(f"two members of {kind} look alike as plain values")
    if maps:
        # Of several dataclasses cattrs finds the one, by fields that only it has.
        by_form[dict] = Union[tuple(maps)]  # noqa: UP007 - made at run time
    if float in by_form:
        by_form.setdefault(int, by_form[float])

    def hook(value: Any, _: Any) -> Any:
        form = list if type(value) is tuple else type(value)
        if form not in by_form:
            raise _wrong(str(kind), value)
        return converter.structure(value, by_form[form])

    return hook


def _forms(member: Any) -> set[type]:
    """The plain types in which values of a type travel."""
    if member in _NATIVE or member is float:
        return {member}
    if member in _AS_TEXT:
        return {str}
    if member is timedelta:
        return {float}
    if _is_literal(member):
        return {type(value) for value in get_args(member)}
    if _is_enum(member):
        return {type(each.value) for each in member}
    origin = get_origin(member) or member
    return {dict} if origin is dict else {list}


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and is_dataclass(kind)


def _is_plain_union(kind: Any) -> bool:
    """Whether a union is ours to solve: all but several dataclasses, which are cattrs'."""
    if get_origin(kind) not in (Union, UnionType):
        return False
    return not all(map(_is_dataclass, get_args(kind)))


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _is_collection(kind: Any) -> bool:
    return (get_origin(kind) or kind) in (list, tuple, dict, set, frozenset)


def _is_enum(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, Enum)


def _is_anything(kind: Any) -> bool:
    return kind is Any or kind is object


def _anything(kind: Any) -> Hook:
    return _refuse("fields that take anything cannot be loaded")


def _unknown(kind: Any) -> Hook:
    return _refuse(f"fields of type {kind!r} cannot be loaded")


def _value(text: Any) -> Any:
    return text.value if isinstance(text, Enum) else text


def _isoformat(value: date | time) -> str:
    return value.isoformat()


def _make() -> cattrs.Converter:
    converter = cattrs.Converter(
        forbid_extra_keys=True,
        detailed_validation=True,
        unstruct_collection_overrides={tuple: list, set: list, frozenset: list},
        structure_fallback_factory=_unknown,
    )
    factories: list[tuple[Callable[[Any], bool], Any]] = [
        (_is_collection, _collection),
        (_is_plain_union, _union),
        (_is_literal, _literal),
        (_is_enum, _enum),
        (_is_anything, _anything),
    ]
    for concerns, factory in factories:
        converter.register_structure_hook_factory(concerns, factory)
    hooks = {kind: _exactly(kind) for kind in _NATIVE} | {float: _float, timedelta: _timedelta}
    hooks |= {kind: _from_text(kind, parse) for kind, parse in _AS_TEXT.items()}
    for kind, hook in hooks.items():
        converter.register_structure_hook(kind, _but_not_of_subclasses(kind, hook))
    converter.register_unstructure_hook(timedelta, timedelta.total_seconds)
    for text in (str, bytes):  # members of a StrEnum are texts to cattrs
        converter.register_unstructure_hook(text, _value)
    for kind in _AS_TEXT:
        to_text = _isoformat if issubclass(kind, date | time) else str
        converter.register_unstructure_hook(kind, to_text)
    return converter


_CONVERTER = _make()
