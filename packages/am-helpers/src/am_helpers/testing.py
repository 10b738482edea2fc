"""Assertions about machines, whose failures show the machine, and types of the plugin's fixtures.

Assertions raise `AssertionError` themselves, so they hold under ``python -O`` and wherever they are
imported first. An error that a test expects is *claimed* by `assert_err`; the fixture
`am_machine_factory` fails for errors that nobody claimed.
"""

from __future__ import annotations

import traceback
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol
from weakref import WeakKeyDictionary

import am_machine as am

from ._env import enable_debugging
from ._env_values import is_on

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._history._memory import MemoryHistory
    from ._history._model import HistoryConfig

__all__ = [
    "LINES",
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
    "unclaimed_errors",
    "watch_errors",
]

LINES = 20
"""How many log lines a failure shows."""

_lines: WeakKeyDictionary[Any, deque[str]] = WeakKeyDictionary()
# Errors by identity: they need not be hashable, and equal ones are not the same.
_raised: WeakKeyDictionary[Any, dict[int, BaseException]] = WeakKeyDictionary()
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


def watch_errors(mach: am.MachineApi) -> None:
    """Remember every error that comes into the machine, for `unclaimed_errors`."""
    raised = _raised[mach] = {}
    mach.bind_tracer(_Errors(raised))


def unclaimed_errors(mach: am.MachineApi) -> list[str]:
    """Describe the errors of a machine that no `assert_err` saw, also those that were replaced."""
    raised = dict(_raised.get(mach, {}))
    if mach.err is not None:
        raised[id(mach.err)] = mach.err
    claimed = _claimed.get(mach, {})
    return [
        _told(mach, f"{mach.id}: an error that nobody asserted", error)
        for key, error in raised.items()
        if key not in claimed
    ]


class _Errors(am.Tracer):
    """Errors as transitions bring them, since a machine itself knows only the last one."""

    def __init__(self, raised: dict[int, BaseException]) -> None:
        self._raised = raised

    def transition_end(self, transition: am.Transition) -> None:
        for error in (transition.mutation.args.get("err"), transition.machine.err):
            if isinstance(error, BaseException):
                self._raised[id(error)] = error


class _LastLines(am.Tracer):
    def __init__(self, kept: deque[str]) -> None:
        self._kept = kept

    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        self._kept.append(f"{machine.id} {text}")


def _told(mach: am.MachineApi, expected: str, error: BaseException | None = None) -> str:
    """What a failure shows."""
    parts = [expected, mach.string_all()]
    error = error or mach.err
    if error is not None:
        parts.append("err: " + "".join(traceback.format_exception(error)).rstrip())
    parts.append("queue: " + (", ".join(map(str, mach.queue)) or "empty"))
    lines = _lines.get(mach)
    if lines:
        parts.append("last log lines:\n  " + "\n  ".join(lines))
    return "\n".join(parts)
