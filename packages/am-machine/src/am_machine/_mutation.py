"""Mutations: requests to add, remove or set states, and the keywords they carry."""

from __future__ import annotations

from dataclasses import MISSING, fields
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ._errors import ArgsError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._causality import Source
    from ._result import Result
    from ._schema import Schema


class Kind(StrEnum):
    """Kinds of mutations; each member equals its name as a `str`."""

    ADD = "add"
    REMOVE = "remove"
    SET = "set"


NO_ARGS: Mapping[str, Any] = MappingProxyType({})
# Keywords that an error carries; no args class needs to know them.
ERROR_ARGS = frozenset(("err", "panic"))


class Mutation:
    """A request to change states: `kind`, `called` states and `args`, from queue to transition.

    `args` is a read-only mapping of the keywords given. `source` tells which transition caused it,
    None for outside calls and auto mutations. `queue_tick` is 0 for prepended mutations and for
    those that never had to queue.
    """

    __slots__ = (
        "_schema", "_told", "_typed", "args", "as_source", "indexes", "is_auto", "is_check",
        "is_last_word", "key", "kind", "queue_tick", "result", "source",
    )  # fmt: skip

    def __init__(
        self,
        schema: Schema,
        kind: str,
        indexes: tuple[int, ...],
        args: Mapping[str, Any],
        source: Source | None = None,
        *,
        is_auto: bool = False,
        is_check: bool = False,
    ) -> None:
        self._schema = schema
        self._typed: dict[int, Any] | None = None
        self._told: str | None = None
        self.kind = kind
        # State indexes of `called`, for layers that speak of states by index.
        self.indexes = indexes
        self.args = MappingProxyType(dict(args)) if args else NO_ARGS
        self.source = source
        # The record of its transition for what that causes, once somebody has asked.
        self.as_source: Source | None = None
        self.is_auto = is_auto
        self.is_check = is_check
        # Whether no auto states are looked for after it: the error of a failed auto mutation, which
        # would fail again and again.
        self.is_last_word = False
        self.queue_tick = 0
        # What it is counted by while it is pending, if it is.
        self.key: tuple[str, int] | None = None
        # Settled when the mutation is done, if somebody holds its result.
        self.result: Result | None = None

    @property
    def told(self) -> str:
        """The called states as text."""
        if self._told is None:
            names = self._schema.names
            self._told = " ".join([names[i] for i in self.indexes])
        return self._told

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
            if _missing(cls, self.args):
                return self.args
            names = {f.name for f in fields(cls) if f.init}
            self._typed[state] = cls(**{k: v for k, v in self.args.items() if k in names})
        return self._typed[state]

    def __str__(self) -> str:
        return f"[{label(self.kind, self.is_auto)}] {' '.join(self.called)}"

    def __repr__(self) -> str:
        return f"<Mutation {self}>"


def label(kind: str, is_auto: bool) -> str:
    """How a mutation is called in logs."""
    return f"{kind}:auto" if is_auto else str(kind)


def check_args(schema: Schema, indexes: Sequence[int], args: Mapping[str, Any]) -> None:
    """Check keywords against the args classes of called states.

    :raises ArgsError: if a keyword is no field of one of them, or a required field is missing.
    """
    classes = [schema.args_classes[i] for i in indexes if i in schema.args_classes]
    if not classes:
        return
    known = {f.name for cls in classes for f in fields(cls) if f.init}
    unknown = args.keys() - known - ERROR_ARGS
    if unknown:
        raise ArgsError(f"unknown args {', '.join(sorted(unknown))} for {_told(schema, indexes)}")
    for cls in classes:
        missing = _missing(cls, args)
        if missing:
            raise ArgsError(
                f"missing args {', '.join(missing)} of {cls.__name__} for {_told(schema, indexes)}"
            )


def _missing(cls: type, args: Mapping[str, Any]) -> list[str]:
    return [
        f.name
        for f in fields(cls)
        if f.init and f.default is MISSING and f.default_factory is MISSING and f.name not in args
    ]


def _told(schema: Schema, indexes: Sequence[int]) -> str:
    return " ".join([schema.names[i] for i in indexes])
