"""Mutations: requests to add, remove or set states, and the keywords they carry."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from inspect import Parameter, signature
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self

from .._errors import ArgsError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from .._causality import Source
    from .._result import Result
    from .._schema.schema import Schema


class Kind(StrEnum):
    """Kinds of mutations; each member equals its name as a `str`."""

    ADD = "add"
    REMOVE = "remove"
    SET = "set"


NO_ARGS: Mapping[str, Any] = MappingProxyType({})


class Mutation:
    """A request to change states: `kind`, `called` states and `args`, from queue to transition.

    `args` is a read-only mapping of the keywords given. `source` tells which transition caused it,
    None for outside calls and auto mutations. `queue_tick` is 0 for prepended mutations.
    """

    __slots__ = (
        "_schema", "_typed", "args", "indexes", "is_auto", "is_check", "is_last_word", "kind",
        "queue_tick", "result", "source", "states",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        kind: str,
        indexes: tuple[int, ...],
        args: Mapping[str, Any],
        source: Source | None = None,
        *,
        states: tuple[str, ...] | None = None,
        is_auto: bool = False,
        is_check: bool = False,
    ) -> None:
        self._schema = schema
        self._typed: dict[int, Any] | None = None
        self.kind = kind
        # State indexes of `called`, for layers that speak of states by index.
        self.indexes = indexes
        # The called states as they were given, by which its plan is found again.
        self.states = states
        self.args = MappingProxyType(dict(args)) if args else NO_ARGS
        self.source = source
        self.is_auto = is_auto
        self.is_check = is_check
        # Whether no auto states are looked for after it: the error of a failed auto mutation, which
        # would fail again and again.
        self.is_last_word = False
        self.queue_tick = 0
        # Settled when the mutation is done, if somebody holds its result.
        self.result: Result | None = None

    @classmethod
    def _of_call(
        cls,
        schema: Schema,
        kind: str,
        indexes: tuple[int, ...],
        args: dict[str, Any],
        source: Source | None,
        states: tuple[str, ...],
        queue_tick: int,
    ) -> Self:
        """The mutation of a call: in one frame, and the keywords are not copied, for they were
        made for the call."""
        self = cls.__new__(cls)
        self._schema = schema
        self._typed = self.result = None
        self.kind = kind
        self.indexes = indexes
        self.states = states
        self.args = MappingProxyType(args) if args else NO_ARGS
        self.source = source
        self.is_auto = self.is_check = self.is_last_word = False
        self.queue_tick = queue_tick
        return self

    @property
    def called(self) -> tuple[str, ...]:
        """Names of the called states, in the order given."""
        names = self._schema.names
        return tuple([names[i] for i in self.indexes])

    def typed_args(self, state: int) -> Any:
        """The args as a handler of a state (by index) gets them: an instance of its args class if
        the state was called and has one, else the mapping. The mapping also where the mutation was
        made by the machine itself, so that required fields are missing."""
        cls = self._schema.args_classes.get(state)
        if cls is None or self.kind == Kind.REMOVE or state not in self.indexes:
            return self.args
        if self._typed is None:
            self._typed = {}
        if state not in self._typed:
            if missing_args(cls, self.args):
                return self.args
            self._typed[state] = build_args(cls, self.args)
        return self._typed[state]

    def __str__(self) -> str:
        return f"[{label(self.kind, self.is_auto)}] {' '.join(self.called)}"

    def __repr__(self) -> str:
        return f"<Mutation {self}>"


def label(kind: str, is_auto: bool) -> str:
    """How a mutation is called in logs."""
    return f"{kind}:auto" if is_auto else str(kind)


# ------------------------------------------------------------------------------ args classes


class _Keywords:
    """The keywords that an args class takes."""

    __slots__ = ("known", "required", "takes_any")

    def __init__(self, cls: type) -> None:
        # By the signature, which knows `InitVar`s and hand-written constructors too.
        parameters = signature(cls).parameters.values()
        named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        self.known = frozenset([p.name for p in named])
        self.required = tuple([p.name for p in named if p.default is Parameter.empty])
        self.takes_any = any([p.kind is p.VAR_KEYWORD for p in parameters])


_keywords = lru_cache(maxsize=1024)(_Keywords)


def check_args(schema: Schema, indexes: Sequence[int], args: Mapping[str, Any]) -> None:
    """Check keywords against the args classes of called states.

    :raises ArgsError: if a keyword is no field of one of them, or a required field is missing.
    """
    classes = [schema.args_classes[i] for i in indexes if i in schema.args_classes]
    if not classes:
        return
    check_known_args(schema, indexes, args)
    check_required_args(schema, indexes, args.keys())


def check_known_args(schema: Schema, indexes: Sequence[int], args: Mapping[str, Any]) -> None:
    """The same for unknown keywords alone.

    :raises ArgsError: if a keyword is no field of one of the classes.
    """
    found = [_keywords(schema.args_classes[i]) for i in indexes if i in schema.args_classes]
    if not found or any([keywords.takes_any for keywords in found]):
        return
    unknown = args.keys() - frozenset().union(*[keywords.known for keywords in found])
    if unknown:
        raise ArgsError(f"unknown args {', '.join(sorted(unknown))} for {_called(schema, indexes)}")


def check_required_args(schema: Schema, indexes: Sequence[int], given: Collection[str]) -> None:
    """The same for missing keywords alone.

    :raises ArgsError: if a required field of one of the classes is not given.
    """
    for cls in [schema.args_classes[i] for i in indexes if i in schema.args_classes]:
        missing = missing_args(cls, given)
        if missing:
            told = f"{', '.join(missing)} of {cls.__name__} for {_called(schema, indexes)}"
            raise ArgsError(f"missing args {told}")


def missing_args(cls: type, args: Collection[str]) -> list[str]:
    """The required fields of an args class that are not among the keywords."""
    return [name for name in _keywords(cls).required if name not in args]


def build_args(cls: type, args: Mapping[str, Any]) -> Any:
    """An instance of an args class from those keywords that it knows."""
    keywords = _keywords(cls)
    if keywords.takes_any:
        return cls(**args)
    return cls(**{key: value for key, value in args.items() if key in keywords.known})


def _called(schema: Schema, indexes: Sequence[int]) -> str:
    return " ".join([schema.names[i] for i in indexes])
