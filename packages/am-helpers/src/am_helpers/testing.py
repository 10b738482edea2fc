"""Assertions about machines, whose failures show the machine, and types of the plugin's fixtures.

Assertions raise `AssertionError` themselves, so they hold under ``python -O`` and wherever they are
imported first. An error that a test expects is *claimed* by `assert_err`; a `Guard`, which is what
the fixture `am_machine_factory` and the ini option ``am_strict`` use, tells of errors that nobody
claimed.
"""

from __future__ import annotations

import traceback
from collections import deque
from threading import get_ident
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import am_machine as am

from ._env.switches import INNER, enable_debugging
from ._env.values import is_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._history._memory import MemoryHistory
    from ._history._model import HistoryConfig

__all__ = [
    "LINES",
    "Guard",
    "HandlerOrder",
    "HistoryFactory",
    "MachineFactory",
    "assert_any",
    "assert_err",
    "assert_is",
    "assert_no_err_ever",
    "assert_no_err_now",
    "assert_no_err_queued",
    "assert_not",
    "assert_ticks",
    "assert_time",
    "debug_by_env",
    "keep_lines",
]

LINES = 20
"""How many log lines a failure shows."""

_lines: WeakKeyDictionary[Any, deque[str]] = WeakKeyDictionary()
# By identity: errors need not be hashable, and equal ones are not the same.
_claimed: WeakKeyDictionary[Any, dict[int, BaseException]] = WeakKeyDictionary()


class MachineFactory(Protocol):
    """The type of the fixture ``am_machine_factory``."""

    def __call__(self, schema: Any, **options: Any) -> am.Machine:
        """Make a machine, with the options of `am.Machine`; it is disposed after the test."""
        ...


class HistoryFactory(Protocol):
    """The type of the fixture ``am_history``."""

    def __call__(self, mach: am.MachineApi, config: HistoryConfig | None = None) -> MemoryHistory:
        """Keep the records of a machine in memory until the test ends."""
        ...


class HandlerOrder(am.Tracer):
    """The type of the fixture ``am_handler_order``: ``names`` are the handlers called, in order."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def handler_start(self, transition: am.Transition, binding: am.Binding, name: str) -> None:
        """Keep the name."""
        self.names.append(name)


def _require(holds: bool, mach: am.MachineApi, expected: str) -> None:
    __tracebackhide__ = True
    if not holds:
        raise AssertionError(_told(mach, expected))


def assert_is(mach: am.MachineApi, *states: str) -> None:
    """All these states are active."""
    __tracebackhide__ = True
    _require(mach.is_(*states), mach, f"expected active: {' '.join(states)}")


def assert_not(mach: am.MachineApi, *states: str) -> None:
    """None of these states is active."""
    __tracebackhide__ = True
    _require(mach.not_(*states), mach, f"expected inactive: {' '.join(states)}")


def assert_any(mach: am.MachineApi, *groups: str | Iterable[str]) -> None:
    """One of the states, or one of the groups as a whole, is active."""
    __tracebackhide__ = True
    wanted = [group if isinstance(group, str) else tuple(group) for group in groups]
    _require(mach.any_(*wanted), mach, f"expected any of: {wanted}")


def assert_ticks(mach: am.MachineApi, /, **ticks: int) -> None:
    """These states have exactly these ticks."""
    __tracebackhide__ = True
    found = mach.clock(*ticks)
    _require(found == ticks, mach, f"expected ticks {ticks}, found {found}")


def assert_time(mach: am.MachineApi, time: Iterable[int], *states: str) -> None:
    """The ticks of these states, or of all, are exactly these."""
    __tracebackhide__ = True
    wanted = tuple(time)
    found = tuple(mach.time(*states))
    _require(found == wanted, mach, f"expected time {wanted}, found {found}")


def assert_err(mach: am.MachineApi, exc_type: type[BaseException] | None = None) -> None:
    """The machine is in ``Exception``, by an error of that type if given. Claims the error."""
    __tracebackhide__ = True
    error = mach.err
    if error is not None:
        _claimed.setdefault(mach, {})[id(error)] = error
    _require(mach.is_err, mach, "expected an error")
    if exc_type is not None:
        _require(isinstance(error, exc_type), mach, f"expected a {exc_type.__name__}")


def assert_no_err_now(mach: am.MachineApi) -> None:
    """The machine is not in ``Exception``."""
    __tracebackhide__ = True
    _require(not mach.is_err, mach, "expected no error now")


def assert_no_err_ever(mach: am.MachineApi) -> None:
    """The machine never was in ``Exception``."""
    __tracebackhide__ = True
    _require(mach.tick("Exception") == 0, mach, "expected that there never was an error")


def assert_no_err_queued(mach: am.MachineApi) -> None:
    """No error waits in the queue."""
    __tracebackhide__ = True
    queued = [m for m in mach.queue if m.kind != am.Kind.REMOVE and "Exception" in m.called]
    _require(not queued, mach, "expected no error in the queue")


def keep_lines(mach: am.MachineApi) -> None:
    """Keep the machine's last log lines for failures."""
    kept = _lines[mach] = deque(maxlen=LINES)
    mach.bind_tracer(_LastLines(kept))


def debug_by_env() -> None:
    """Call `enable_debugging` if ``AM_TEST_DEBUG`` is on."""
    if is_on("AM_TEST_DEBUG"):
        enable_debugging()


class Guard:
    """Watches machines during a test, and tells what the test left behind.

    That is an error which came into one of them, or into a machine made under one, and which no
    `assert_err` saw, also if another one replaced it or it is over; a machine that was opened and
    not left, with its tasks; one that cannot be disposed.
    """

    def __init__(self) -> None:
        self._watch = _Watch()
        self._machines: dict[am.BaseMachine, int] = {}  # and the threads that made them

    def add(self, mach: am.BaseMachine) -> None:
        """Watch a machine, until `end`. In the machine's own thread; again, it does nothing."""
        if mach not in self._machines:
            self._machines[mach] = get_ident()
            mach.bind_tracer(self._watch)

    def add_own(self, mach: am.BaseMachine) -> None:
        """Watch it, unless it follows one elsewhere, or is a package's own (tag ``am:inner``)."""
        if mach.is_local and INNER not in mach.tags:
            self.add(mach)

    def end(self) -> list[str]:
        """Dispose the machines of this thread that were not left open, and describe all faults.

        What is no `Exception`, such as Ctrl+C, is raised when all have been disposed.
        """
        watch = self._watch
        left = [mach for mach in watch.opened if not mach.disposed]
        faults = [f"{mach.id}: opened and not left; its tasks were left behind" for mach in left]
        stopped: BaseException | None = None
        for mach, thread in self._machines.items():
            try:
                if mach not in left and thread == get_ident():
                    mach.dispose()
            except Exception as exc:
                faults.append(f"{mach.id}: dispose raised {type(exc).__name__}: {exc}")
            except BaseException as exc:
                stopped = exc
        if stopped is not None:
            raise stopped
        claimed = {key for errors in _claimed.values() for key in errors}
        for key, (machine, error) in watch.errors.items():
            if key not in claimed:
                told = f"{machine.id}: an error that nobody asserted"
                faults.append(_told(machine, told, error))
        return faults


class _Watch(am.Tracer):
    """What a `Guard` sees of its machines, and of those made under them."""

    def __init__(self) -> None:
        # As transitions bring them, since a machine itself knows only the last one.
        self.errors: dict[int, tuple[am.BaseMachine, BaseException]] = {}
        self.opened: list[am.BaseMachine] = []

    def machine_open(self, machine: am.BaseMachine) -> None:
        self.opened.append(machine)

    def transition_end(self, transition: am.Transition) -> None:
        for error in (transition.mutation.args.get("err"), transition.machine.err):
            if isinstance(error, BaseException):
                self.errors.setdefault(id(error), (transition.machine, error))


class _LastLines(am.Tracer):
    def __init__(self, kept: deque[str]) -> None:
        self._kept = kept

    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        self._kept.append(f"{machine.id} {text}")


def _told(
    mach: am.MachineApi | am.BaseMachine, expected: str, error: BaseException | None = None
) -> str:
    """What a failure shows."""
    parts = [expected, mach.string_all()]
    error = error or mach.err
    if error is not None:
        parts.append("err: " + "".join(traceback.format_exception(error)).rstrip())
    parts.append("queue: " + (", ".join(map(str, getattr(mach, "queue", ()))) or "empty"))
    lines = _lines.get(mach)
    if lines:
        parts.append("last log lines:\n  " + "\n  ".join(lines))
    return "\n".join(parts)
