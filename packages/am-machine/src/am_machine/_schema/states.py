"""Classes that declare states.

A `str` cannot change after it was made and `__set_name__` comes too late for that, so the namespace
of a `States` body replaces an unbound State by a bound one at the moment of assignment. That makes
it usable further down in the same body. The namespace also refuses what looks like a state and is
none, since a declaration must never be dropped in silence.
"""

from __future__ import annotations

import sys
from abc import ABCMeta
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .._errors import SchemaError
from .schema import Schema
from .state import State, as_names

if TYPE_CHECKING:
    from types import FrameType


class _Body(dict[str, Any]):
    """The namespace of a `States` body: it binds each State to the name it is assigned to."""

    def __init__(self, owner: str) -> None:
        super().__init__()
        self._owner = owner

    def __setitem__(self, key: str, value: Any) -> None:
        if isinstance(value, State):
            if value != key:
                value = value.bound_to(key)
        elif not key.startswith("_"):
            advice = _mistake(key, value)
            if advice is not None:
                raise SchemaError(f"{self._owner}.{key}{_line(sys._getframe(1))}: {advice}")
        super().__setitem__(key, value)


def _mistake(key: str, value: Any) -> str | None:
    """What to write instead of something that was meant to be a state; None if it was not."""
    if value is State:
        return "State is the class; call it: State()"
    if isinstance(value, Mapping):
        return "a dict declares no state here; write State(…)"
    if isinstance(value, str) and key[:1].isupper():
        return f"{value!r} is text, not a State; write State(…)"
    return None


def _line(frame: FrameType) -> str:
    return f" ({frame.f_code.co_filename}, line {frame.f_lineno})"


class StatesMeta(ABCMeta):
    """Makes a class body of `State` assignments into a schema.

    One of abstract classes, so that a schema may be mixed with them.
    """

    @classmethod
    def __prepare__(mcs, name: str, bases: tuple[type, ...], /, **kwds: Any) -> _Body:
        return _Body(name)

    def __setattr__(cls, name: str, value: Any) -> None:
        if isinstance(value, State) or isinstance(cls.__dict__.get(name), State):
            raise SchemaError(
                f"{cls.__name__}.{name}: states are declared in the body of the class; "
                f"derive from {cls.__name__} to add one"
            )
        super().__setattr__(name, value)


class States(metaclass=StatesMeta):
    """Base of typed schemas. Each attribute that is a `State` becomes a state.

    The order of definition is the index order, inherited states first. Inheritance merges along
    the MRO: the definition found first wins whole. An inner class `Groups` names groups of states.

    :raises SchemaError: in the class body, at the line of a declaration that is no state: `State`
        without parentheses, a dict, or text under a capitalised name.
    """

    _schema: ClassVar[Schema]

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """All state names in index order; `Exception` is always there."""
        own = cls._defined()
        return own if "Exception" in own else (*own, "Exception")

    @classmethod
    def schema(cls) -> Schema:
        """The compiled schema, made once per class.

        :raises SchemaError: with every fault listed.
        """
        found: Schema | None = cls.__dict__.get("_schema")
        if found is None:
            states = {name: cls._definition(name) for name in cls._defined()}
            found = Schema(states, groups=cls.groups())
            cls._schema = found
        return found

    @classmethod
    def groups(cls) -> Mapping[str, tuple[str, ...]]:
        """Group name -> its states; groups of bases first, one of the same name replaced."""
        merged: dict[str, tuple[str, ...]] = {}
        for base in cls.__bases__:
            if issubclass(base, States):
                # The group found first in the MRO wins, as a definition does.
                merged = {**merged, **{k: v for k, v in base.groups().items() if k not in merged}}
        own = cls.__dict__.get("Groups")
        for part in reversed(own.__mro__) if isinstance(own, type) else ():
            for key, value in vars(part).items():
                if part is not object and not key.startswith("_"):
                    merged[key] = as_names(value)
        return merged

    @classmethod
    def _defined(cls) -> tuple[str, ...]:
        order: dict[str, None] = {}
        for base in cls.__bases__:
            if issubclass(base, States):
                order.update(dict.fromkeys(base._defined()))
        order.update((k, None) for k, v in cls.__dict__.items() if isinstance(v, State))
        return tuple(order)

    @classmethod
    def _definition(cls, name: str) -> State:
        for part in cls.__mro__:
            found = part.__dict__.get(name)
            if isinstance(found, State):
                return found
        raise AssertionError(name)  # pragma: no cover - names come from the same classes


def compile_schema(source: Schema | type[States] | Mapping[str, Any]) -> Schema:
    """The `Schema` of a States class (made once), of a dict (made anew), or the schema itself.

    :raises SchemaError: with every fault listed.
    """
    if isinstance(source, Schema):
        return source
    if isinstance(source, type) and issubclass(source, States):
        return source.schema()
    if isinstance(source, Mapping):
        return Schema(source)
    raise SchemaError(f"{source!r} is neither a schema, a States class nor a mapping")
