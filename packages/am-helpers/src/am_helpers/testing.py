"""Assertions about machines, whose failures show the machine. pytest rewrites this module.

An error that a test expects is *claimed* by `assert_err`; the fixture `am_machine_factory` fails
for errors that nobody claimed.
"""

from __future__ import annotations

import traceback
from collections import deque
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import am_machine as am

from ._env import enable_debugging
from ._env_values import is_on

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "LINES",
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
    "unclaimed_error",
]

LINES = 20
"""How many log lines a failure shows."""

_lines: WeakKeyDictionary[Any, deque[str]] = WeakKeyDictionary()
_claimed: WeakKeyDictionary[Any, BaseException] = WeakKeyDictionary()


def assert_is(mach: am.MachineApi, *states: str) -> None:
    """All these states are active."""
    __tracebackhide__ = True
    assert mach.is_(*states), _told(mach, f"expected active: {' '.join(states)}")


def assert_not(mach: am.MachineApi, *states: str) -> None:
    """None of these states is active."""
    __tracebackhide__ = True
    assert mach.not_(*states), _told(mach, f"expected inactive: {' '.join(states)}")


def assert_any(mach: am.MachineApi, *groups: str | Iterable[str]) -> None:
    """One of the states, or one of the groups as a whole, is active."""
    __tracebackhide__ = True
    wanted = [group if isinstance(group, str) else tuple(group) for group in groups]
    assert mach.any_(*wanted), _told(mach, f"expected any of: {wanted}")


def assert_ticks(mach: am.MachineApi, /, **ticks: int) -> None:
    """These states have exactly these ticks."""
    __tracebackhide__ = True
    found = mach.clock(*ticks)
    assert found == ticks, _told(mach, f"expected ticks {ticks}, found {found}")


def assert_time(mach: am.MachineApi, time: Iterable[int], *states: str) -> None:
    """The ticks of these states, or of all, are exactly these."""
    __tracebackhide__ = True
    wanted = tuple(time)
    found = tuple(mach.time(*states))
    assert found == wanted, _told(mach, f"expected time {wanted}, found {found}")


def assert_err(mach: am.MachineApi, exc_type: type[BaseException] | None = None) -> None:
    """The machine is in ``Exception``, by an error of that type if given. Claims the error."""
    __tracebackhide__ = True
    error = mach.err
    if error is not None:
        _claimed[mach] = error
    assert mach.is_err, _told(mach, "expected an error")
    if exc_type is not None:
        assert isinstance(error, exc_type), _told(mach, f"expected a {exc_type.__name__}")


def assert_no_err_now(mach: am.MachineApi) -> None:
    """The machine is not in ``Exception``."""
    __tracebackhide__ = True
    assert not mach.is_err, _told(mach, "expected no error now")


def assert_no_err_ever(mach: am.MachineApi) -> None:
    """The machine never was in ``Exception``."""
    __tracebackhide__ = True
    assert mach.tick("Exception") == 0, _told(mach, "expected that there never was an error")


def assert_no_err_queued(mach: am.MachineApi) -> None:
    """No error waits in the queue."""
    __tracebackhide__ = True
    queued = [m for m in mach.queue if m.kind != am.Kind.REMOVE and "Exception" in m.called]
    assert not queued, _told(mach, "expected no error in the queue")


def keep_lines(mach: am.MachineApi) -> None:
    """Keep the machine's last log lines for failures."""
    kept = _lines[mach] = deque(maxlen=LINES)
    mach.bind_tracer(_LastLines(kept))


def debug_by_env() -> None:
    """Call `enable_debugging` if ``AM_TEST_DEBUG`` is on."""
    if is_on("AM_TEST_DEBUG"):
        enable_debugging()


def unclaimed_error(mach: am.MachineApi) -> str | None:
    """Describe the machine's error if no `assert_err` saw it."""
    error = mach.err
    if error is None or _claimed.get(mach) is error:
        return None
    return _told(mach, f"{mach.id}: an error that nobody asserted")


class _LastLines(am.Tracer):
    def __init__(self, kept: deque[str]) -> None:
        self._kept = kept

    def log(self, machine: am.BaseMachine, level: am.LogLevel, text: str) -> None:
        self._kept.append(f"{machine.id} {text}")


def _told(mach: am.MachineApi, expected: str) -> str:
    """What a failure shows."""
    parts = [expected, mach.string_all()]
    if mach.err is not None:
        parts.append("err: " + "".join(traceback.format_exception(mach.err)).rstrip())
    parts.append("queue: " + (", ".join(map(str, mach.queue)) or "empty"))
    lines = _lines.get(mach)
    if lines:
        parts.append("last log lines:\n  " + "\n  ".join(lines))
    return "\n".join(parts)
