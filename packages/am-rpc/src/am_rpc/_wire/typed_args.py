"""Between plain data and the args classes that a source's states declare."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_type_hints

from .._errors import InvalidParams

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import am_machine as am


@lru_cache(maxsize=1024)
def _enums(args_class: type) -> dict[str, type[Enum]]:
    try:
        hints = get_type_hints(args_class)
    except (NameError, TypeError):
        # Hints that cannot be resolved outside of their module leave values as they came.
        return {}
    return {
        name: hint
        for name, hint in hints.items()
        if isinstance(hint, type) and issubclass(hint, Enum)
    }


def coerce_args(
    schema: am.Schema, indexes: Iterable[int], args: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return args with values made enum members where the called states' classes say so.

    Raises:
        InvalidParams: a value is no member of its enum.
    """
    if not args:
        return args
    classes = schema.args_classes
    if not classes:
        return args
    changed = dict(args)
    for index in indexes:
        cls = classes.get(index)
        if cls is None:
            continue
        for name, enum in _enums(cls).items():
            if name in args:
                try:
                    changed[name] = enum(args[name])
                except (ValueError, TypeError) as error:
                    raise InvalidParams(f"{name} is no {enum.__name__}") from error
    return changed


def declared_args(schema: am.Schema) -> dict[str, list[str]]:
    """Return the names of the args that each state declares."""
    return {
        schema.names[index]: [field.name for field in fields(cls) if field.init]
        for index, cls in schema.args_classes.items()
    }
