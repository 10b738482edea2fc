"""Bindings: handler objects attached to a machine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from types import FunctionType, MethodType
from typing import TYPE_CHECKING, Any
from weakref import ref

from .._errors import HandlerError
from .._schema.handlers import (
    SUFFIXES,
    HandlerCall,
    mistyped,
    read_handler_key,
    read_handler_name,
    read_prefixed_name,
)

if TYPE_CHECKING:
    from .._schema.schema import Schema
    from .handling import Handling
    from .transition import Event

    # An object with methods named after states, or a mapping: that tells what its lambdas get.
    Handlers = Mapping[Any, Callable[[Event], object]] | object

Handler = Callable[[Any], Any]


class Binding:
    """A handler object bound to a machine: `name`, a `number` that is never used again, and
    `handlers`, the methods found, by name."""

    __slots__ = ("__weakref__", "_machine", "handlers", "is_attached", "name", "number")

    def __init__(
        self, machine: Handling, name: str, number: int, handlers: dict[str, Handler]
    ) -> None:
        self._machine = ref(machine)
        self.name = name
        self.number = number
        self.handlers = handlers
        self.is_attached = True

    def detach(self) -> None:
        """Take the handlers off, from the next handler name on. Detaching again does nothing."""
        machine = self._machine()
        if machine is not None and self.is_attached:
            machine._detach(self)

    def __repr__(self) -> str:
        return f"<Binding {self.number}:{self.name}>"


def collect(
    schema: Schema, obj: object, *, strict: bool, voting: bool, prefix: str = ""
) -> dict[str, Handler]:
    """The handlers of an object or mapping, by key, ready to be called with an event.

    Nothing else of the object is touched. Async final handlers come wrapped into a starter of their
    task. `voting` admits negotiation handlers. With a `prefix` names are read without it.

    :raises HandlerError: for ambiguous names, async or (not `voting`) any negotiation handlers,
        generators, and, if `strict`, for methods that look like handlers of states which do not
        exist, and objects without any handler.
    """
    if isinstance(obj, Mapping):
        return _collect_mapping(schema, obj, strict=strict, voting=voting, prefix=prefix)
    if isinstance(obj, type):
        raise HandlerError(f"{obj.__name__} is a class; bind an instance of it: {obj.__name__}()")
    found: dict[str, Handler] = {}
    for name in dir(obj):
        if not name[:1].isupper():
            continue
        call = _read(schema, name, prefix)
        if call is None:
            missing = mistyped(name) if strict else None
            if missing is not None and _is_method(obj, name):
                raise HandlerError(f"{name} is a handler of {missing}, which is not a state")
            continue
        fn = getattr(obj, name)
        if callable(fn):
            found[call.key] = _checked(call, fn, voting)
    if not found and strict:
        raise HandlerError(
            f"{type(obj).__name__} has no handler: methods are found by names such as FooState or "
            "FooEnter of a state Foo; strict=False binds it all the same"
        )
    return found


def _collect_mapping(
    schema: Schema, given: Mapping[Any, Any], *, strict: bool, voting: bool, prefix: str
) -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    for key, fn in given.items():
        call = _read_key(schema, key, prefix) if isinstance(key, tuple) else None
        if call is None:
            name = str(key)
            call = _read(schema, name, prefix)
            if call is None:
                missing = mistyped(name) if strict else None
                if missing is not None and callable(fn):
                    raise HandlerError(f"{name} is a handler of {missing}, which is not a state")
                continue
        if not callable(fn):
            raise HandlerError(f"handler {call.name} is not callable")
        found[call.key] = _checked(call, fn, voting)
    return found


def _read(schema: Schema, name: str, prefix: str) -> HandlerCall | None:
    if prefix:
        return read_prefixed_name(schema, name, prefix)
    return read_handler_name(schema, name)


def _read_key(schema: Schema, key: tuple[Any, ...], prefix: str) -> HandlerCall:
    """The handler of a key such as `("Foo", "enter")`."""
    role = SUFFIXES.get(str(key[1]).capitalize()) if len(key) == 2 else None
    if role is None or not isinstance(key[0], str):
        raise HandlerError(f"{key!r} is no (state, enter | exit | state | end)")
    return read_handler_key(schema, prefix + key[0] if prefix else key[0], role)


def _checked(call: HandlerCall, fn: Handler, voting: bool) -> Handler:
    is_async = False
    if not _is_plain(fn):
        if _is_any(fn, inspect.isgeneratorfunction) or _is_any(fn, inspect.isasyncgenfunction):
            told = f"{call.name} is a generator, which nobody would run; remove its yield"
            raise HandlerError(told)
        is_async = _is_any(fn, inspect.iscoroutinefunction)
    if call.is_final:
        return _starter(call, fn) if is_async else fn
    if is_async:
        raise HandlerError(f"{call.name} votes on a transition, so it cannot be async")
    if not voting:
        raise HandlerError(f"{call.name} votes on a transition, which only a local machine can ask")
    return fn


def _is_plain(fn: Any) -> bool:
    """Whether it is a function or method that runs when it is called, by one look; about all others
    `inspect` is asked, which takes ten times as long."""
    if type(fn) is MethodType:
        fn = fn.__func__
    # What marks a function as one for coroutines is an attribute of it.
    return type(fn) is FunctionType and not (fn.__dict__ or fn.__code__.co_flags & _RUN_LATER)


_RUN_LATER = (
    inspect.CO_GENERATOR
    | inspect.CO_COROUTINE
    | inspect.CO_ITERABLE_COROUTINE
    | inspect.CO_ASYNC_GENERATOR
)


def _is_any(fn: Any, kind: Callable[[Any], bool]) -> bool:
    """Whether a function, what a partial calls, or the call of an object is of a kind."""
    while isinstance(fn, partial):
        fn = fn.func
    return _is(fn, kind) or _is(getattr(fn, "__call__", None), kind)  # noqa: B004 - the method


def _is(fn: Any, kind: Callable[[Any], bool]) -> bool:
    # A stand-in made for a test passes for a function of every kind: its flags are no number.
    flags = getattr(getattr(fn, "__code__", None), "co_flags", 0)
    return type(flags) is int and kind(fn)


def _starter(call: HandlerCall, fn: Handler) -> Handler:
    def start(event: Event) -> None:
        event.machine._start_handler_task(call, fn, event)

    return start


def _is_method(obj: object, name: str) -> bool:
    found = inspect.getattr_static(obj, name, None)
    return inspect.isroutine(found) or isinstance(found, (staticmethod, classmethod))


def check_subclass(cls: type, base: type, schema: Schema) -> None:
    """See that a subclass of a machine has no methods that look like handlers: they would never be
    called.

    :raises HandlerError: if it has.
    """
    for part in cls.__mro__[: cls.__mro__.index(base)]:
        for name, value in vars(part).items():
            if name[:1].isupper() and inspect.isroutine(value):
                try:
                    call = read_handler_name(schema, name)
                except HandlerError:
                    call = None
                if call is not None or mistyped(name) is not None:
                    raise HandlerError(
                        f"{part.__name__}.{name} is named like a handler, but methods of a machine "
                        "are never called as such; put it on an object of its own and pass that "
                        "as handlers="
                    )


# ------------------------------------------------------------------------------ what they return


def vote_of(call: HandlerCall, verdict: object) -> bool:
    """The vote that a negotiation handler returned, unless it was True, False or None.

    :raises HandlerError: if it is no bool.
    """
    cls = type(verdict)
    # Not by importing numpy: whoever returns one has it.
    if cls.__module__ == "numpy" and cls.__name__ in ("bool", "bool_"):
        return bool(verdict)
    _close(verdict)
    raise HandlerError(
        f"{call.name} returned {verdict!r:.100}, which is no vote: False rejects, True and None "
        "accept"
    )


def check_final(call: HandlerCall, verdict: object) -> None:
    """See that a final handler did its work, instead of returning something that has to be run.

    :raises HandlerError: if it returned a coroutine or a generator.
    """
    if inspect.iscoroutine(verdict) or inspect.isgenerator(verdict) or inspect.isasyncgen(verdict):
        _close(verdict)
        raise HandlerError(
            f"{call.name} returned {verdict!r:.100}, which nobody would run; make the handler an "
            "async def"
        )


def _close(verdict: object) -> None:
    if inspect.iscoroutine(verdict) or inspect.isgenerator(verdict):
        verdict.close()
