"""Between plain data and the args classes that states declare, by their types, on both ends."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import am_helpers as amh
import am_machine as am

from .._errors import EncodeError, InvalidParams

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TOLD = 80  # characters of a value that an error shows


def load_args(
    schema: am.Schema, indexes: Iterable[int], args: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Return what a peer sent as the values that the called states' classes declare.

    Raises:
        InvalidParams: a value is none of its field's; it names both.
    """
    classes = schema.args_classes
    if not args or not classes:
        return args
    loaded: Mapping[str, Any] = args
    for index in indexes:
        cls = classes.get(index)
        if cls is None:
            continue
        try:
            loaded = {**loaded, **_of(cls, amh.args_load_keywords(cls, args))}
        except am.ArgsError as error:
            name = str(error).partition(":")[0].partition(".")[0].partition("[")[0]
            shown = ascii(args.get(name))
            shown = shown if len(shown) <= _TOLD else f"{shown[:_TOLD]}..."
            raise InvalidParams(f"{cls.__name__}: {error}: {shown}") from error
    return loaded


def dump_args(schema: am.Schema, indexes: Iterable[int], args: Mapping[str, Any]) -> dict[str, Any]:
    """Return the args that the called states' classes declare in their plain form.

    Raises:
        EncodeError: a value has none.
    """
    dumped = dict(args)
    for index in indexes:
        cls = schema.args_classes.get(index)
        if cls is None:
            continue
        for name, value in _of(cls, args).items():
            try:
                dumped.update(amh.args_dump_keywords({name: value}))
            except Exception as error:
                kind = type(value).__name__
                raise EncodeError(f"argument {name}: a {kind} has no wire form") from error
    return dumped


def _of(cls: type, args: Mapping[str, Any]) -> dict[str, Any]:
    return {field.name: args[field.name] for field in fields(cls) if field.name in args}


def declared_args(schema: am.Schema) -> dict[str, list[str]]:
    """Return the names of the args that each state declares."""
    return {
        schema.names[index]: [field.name for field in fields(cls) if field.init]
        for index, cls in schema.args_classes.items()
    }
