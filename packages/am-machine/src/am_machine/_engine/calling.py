"""One call of what is bound to a handler name: how it is made, timed, judged and told."""

from __future__ import annotations

from sys import getrefcount
from time import perf_counter
from types import AsyncGeneratorType, CoroutineType, GeneratorType
from typing import TYPE_CHECKING

from .._errors import HandlerTimeoutError
from .._watch.listening import Observed
from .._watch.log import EVERYTHING, LogLevel, emit
from . import reporting
from .binding import check_final, vote_of
from .introspection import Trouble
from .transition import Event

if TYPE_CHECKING:
    from .._schema.handlers import HandlerCall
    from .base import BaseMachine
    from .binding import Binding

LOG = Observed.LOG
# What a final handler must not return: nobody would run it.
RUNNABLE = frozenset((CoroutineType, GeneratorType, AsyncGeneratorType))


def invoke(machine: BaseMachine, call: HandlerCall) -> bool:
    """Call what is bound to a handler name; False as soon as one votes against.

    :raises HandlerError: if a vote is no bool, or a final handler returns what has to be run.
    """
    machine._handling = call
    was_called = False
    bound = (
        reporting.each_binding(machine, call)
        if machine._listening.log_level >= EVERYTHING
        else machine._calls.get(call.key, ())
    )
    try:
        for fn, binding in bound:
            was_called = True
            is_told = machine._listening.tells_handlers
            if is_told:
                reporting.handler_start(machine, call, binding)
            event = Event()
            event.machine = machine  # type: ignore[assignment]  # a replica mutates too
            event._call = call
            event._kept = None
            failed, start = True, 0.0
            try:
                start = perf_counter()
                verdict = fn(event)
                elapsed = perf_counter() - start
                failed = False
            except Exception as exc:
                machine._note_trouble(Trouble(call, binding, exc))
                raise
            finally:
                # Only an event that somebody kept has to remember what it saw.
                if getrefcount(event) > UNSHARED:
                    event.keep()
                if is_told:
                    reporting.handler_end(machine, call, binding, failed)
                if failed and machine._slow < 0:
                    reporting.note_failed(machine, call, start)
            if elapsed > machine._slow:
                overrun(machine, call, binding.name, start, elapsed)
            if verdict is not None and not judge(machine, call, binding, verdict):
                return False
        return True
    finally:
        if was_called and machine._listening.tells_steps:
            reporting.handler_step(machine, call)


def judge(machine: BaseMachine, call: HandlerCall, binding: Binding, verdict: object) -> bool:
    """Whether what a handler returned lets the transition go on.

    :raises HandlerError: if a vote is no bool, or a final handler returns what has to be run.
    """
    if verdict is None or verdict is True:
        return True
    try:
        if call.is_final:
            if type(verdict) in RUNNABLE:
                check_final(call, verdict)
            return True
        if verdict is not False and vote_of(call, verdict):
            return True
    except Exception as exc:
        machine._note_trouble(Trouble(call, binding, exc))
        raise
    machine._note_trouble(Trouble(call, binding, None))
    if machine._observed >= LOG:
        reporting.rejected(machine, call)
    return False


def _references() -> int:
    value = object()
    return getrefcount(value)


# References to an object that only one local variable and the counting itself hold.
UNSHARED = _references()


def overrun(
    machine: BaseMachine, call: HandlerCall, binding: str, start: float, elapsed: float
) -> None:
    """A handler took long: a tenth of the timeout is worth a line, all of it is an error. Where a
    journal wants details, however long it took is noted.

    It has returned, so its work is done and undoing its state would lie: the transition goes on.
    """
    noting = machine._listening.noting
    if noting is not None:
        noting.took(call.name, start, elapsed)
        if not machine._timeout or elapsed <= machine._timeout / 10:
            return
    emit(machine, LogLevel.OPS, f"[handler:slow] {call.name} {elapsed * 1000:.0f}")
    if not machine._timeout or elapsed <= machine._timeout:
        return
    emit(machine, LogLevel.CHANGES, f"[handler:timeout] {call.name} from {binding}")
    machine._report_overrun(HandlerTimeoutError(call.name, binding, elapsed))
