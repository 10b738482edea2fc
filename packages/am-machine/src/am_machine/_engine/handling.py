"""The handlers of a machine: bound, detached, found, and what is done when one of them fails."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from .._schema.plan_book import plans_of
from .._text import repr_of
from .._watch.log import LogLevel, emit, log_error
from .binding import Binding, collect
from .telling import Telling

if TYPE_CHECKING:
    from .._errors import HandlerTimeoutError
    from .binding import Handlers
    from .fields import Calls

# Those of a machine without handlers.
NO_CALLS = cast("Calls", MappingProxyType({}))
NO_BINDINGS = cast("dict[Binding, None]", MappingProxyType({}))


class Handling(Telling):
    """What is bound to a machine."""

    __slots__ = ()

    def bind(
        self, obj: Handlers, name: str | None = None, *, strict: bool = True, prefix: str = ""
    ) -> Binding:
        """Attach the handlers of an object (its methods named after states) or of a mapping of
        names, or of keys such as `("Foo", "enter")`, to callables. The binding's name defaults to
        the class name. With a `prefix` the names of states are written without it.

        In a running transition it takes effect after it; detaching, at the next handler name.

        :raises HandlerError: for ambiguous names, async negotiation handlers, generators, a class,
            and, unless `strict` is off, an object without handlers, or methods that look like
            handlers of states which do not exist.
        """
        self.check_thread()
        handlers = collect(self._schema, obj, strict=strict, voting=self._votes, prefix=prefix)
        binding = Binding(self, name or type(obj).__name__, self._binding_count, handlers)
        self._binding_count += 1
        first = not self._bindings
        if self._bindings is NO_BINDINGS:
            self._bindings, self._calls = {}, {}
        self._bindings[binding] = None
        if self._plan is not None:
            self._is_rebound = self._attention = True
        else:
            for key, fn in handlers.items():
                self._calls.setdefault(key, []).append((fn, binding))
        self._handlers_changed()
        emit(self, LogLevel.OPS, f"[handlers] bind {binding.number}:{binding.name}")
        if first and self.is_err and self.err is not None:
            self._report_again()
        return binding

    def _detach(self, binding: Binding) -> None:
        self.check_thread()
        if binding not in self._bindings:
            return
        del self._bindings[binding]
        binding.is_attached = False
        for key in binding.handlers:
            # Another list: one may be gone through now.
            left = [pair for pair in self._calls.get(key, ()) if pair[1] is not binding]
            if left or self._plan is not None:
                # The running transition may still look for names that are bound no more.
                self._calls[key] = left
            else:
                self._calls.pop(key, None)
        if self._plan is not None:
            self._is_rebound = self._attention = True
        self._handlers_changed()
        emit(self, LogLevel.OPS, f"[handlers] detach {binding.name}")

    def _handlers_changed(self) -> None:
        self._is_stale = True
        self._fire("handlers_change", self)
        for journal in self._listening.journals:
            journal.note_handlers()

    def _renew_plans(self) -> None:
        """Look up the plans for the handlers that are bound now."""
        if self._is_rebound:
            calls: Calls = {}
            for binding in self._bindings:
                for key, fn in binding.handlers.items():
                    calls.setdefault(key, []).append((fn, binding))
            self._calls = calls
            self._is_rebound = False
        self._book = plans_of(self._schema, frozenset(self._calls))
        self._conf = self._book.configuration(self._conf.mask)
        self._is_stale = False

    @property
    def handler_names(self) -> tuple[str, ...]:
        """Names of the handlers bound now, each once, in order of binding."""
        names: dict[str, None] = {}
        for binding in list(self._bindings):
            names.update(dict.fromkeys([key.partition("(")[0] for key in binding.handlers]))
        return tuple(names)

    @property
    def handler_timeout(self) -> float:
        """Seconds that one handler call may take; 0 means any time."""
        return self._timeout

    @handler_timeout.setter
    def handler_timeout(self, seconds: float | None) -> None:
        if seconds is not None and not seconds >= 0:
            raise ValueError(f"a handler timeout of {seconds} seconds")
        self._timeout = seconds or 0.0
        self._settle_slow()

    def _report_overrun(self, error: HandlerTimeoutError) -> None:
        """A handler took longer than its timeout."""
        self.err = error
        log_error(self, f"[error] {error}", None)

    def _report_again(self) -> None:
        """The first handlers came when the machine was in `Exception` already."""

    def handler_failed(self, exc: Exception, name: str) -> None:
        """A final handler raised while following; replicas may report it to their source."""
        self.err = exc
        log_error(self, f"[error] {repr_of(exc)} in {name}", exc)
