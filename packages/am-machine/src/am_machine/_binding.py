"""Bindings: handler objects attached to a machine."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import ref

from ._errors import HandlerError
from ._handlers import HandlerCall, mistyped, read_handler_name

if TYPE_CHECKING:
    from ._base import BaseMachine
    from ._schema import Schema
    from ._transition import Event

Handler = Callable[[Any], Any]


class Binding:
    """A handler object bound to a machine: `name`, a `number` that is never used again, and
    `handlers`, the methods found, by name."""

    __slots__ = ("__weakref__", "_machine", "handlers", "name", "number")

    def __init__(
        self, machine: BaseMachine, name: str, number: int, handlers: dict[str, Handler]
    ) -> None:
        self._machine = ref(machine)
        self.name = name
        self.number = number
        self.handlers = handlers

    def detach(self) -> None:
        """Take the handlers off, from the next handler name on. Detaching again does nothing."""
        machine = self._machine()
        if machine is not None:
            machine._detach(self)

    def __repr__(self) -> str:
        return f"<Binding {self.number}:{self.name}>"


def collect(schema: Schema, obj: object, *, strict: bool, voting: bool) -> dict[str, Handler]:
    """The handlers of an object or mapping, ready to be called with an event.

    Nothing else of the object is touched. Async final handlers come wrapped into a starter of their
    task. `voting` admits negotiation handlers.

    :raises HandlerError: for ambiguous names, async or (not `voting`) any negotiation handlers,
        and, if `strict`, for methods that look like handlers of states which do not exist.
    """
    mapping = obj if isinstance(obj, Mapping) else None
    names = [str(name) for name in mapping] if mapping is not None else dir(obj)
    found: dict[str, Handler] = {}
    for name in names:
        if not name[:1].isupper():
            continue
        call = read_handler_name(schema, name)
        if call is None:
            missing = mistyped(name) if strict else None
            if missing is not None and _is_method(obj, mapping, name):
                raise HandlerError(f"{name} is a handler of {missing}, which is not a state")
            continue
        fn = mapping[name] if mapping is not None else getattr(obj, name)
        if not callable(fn):
            if mapping is not None:
                raise HandlerError(f"handler {name} is not callable")
            continue
        found[name] = _checked(call, fn, voting)
    return found


def _checked(call: HandlerCall, fn: Handler, voting: bool) -> Handler:
    is_async = inspect.iscoroutinefunction(fn) or inspect.iscoroutinefunction(
        getattr(fn, "__call__", None)  # noqa: B004 - the method is wanted, not callability
    )
    if call.is_final:
        return _starter(call, fn) if is_async else fn
    if is_async:
        raise HandlerError(f"{call.name} votes on a transition, so it cannot be async")
    if not voting:
        raise HandlerError(f"{call.name} votes on a transition, which only a local machine can ask")
    return fn


def _starter(call: HandlerCall, fn: Handler) -> Handler:
    def start(event: Event) -> None:
        event.machine._start_handler_task(call, fn, event)

    return start


def _is_method(obj: object, mapping: Mapping[str, Any] | None, name: str) -> bool:
    if mapping is not None:
        return callable(mapping[name])
    found = inspect.getattr_static(obj, name, None)
    return inspect.isroutine(found) or isinstance(found, (staticmethod, classmethod))
