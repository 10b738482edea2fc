"""Debugging by environment variables, applied to a machine when asked and never at import.

Variables are untrusted: a value that cannot be parsed is logged once as a warning and ignored. Who
listens is not known here. What exports to a debugger is registered, or found as an installed entry
point of the group ``am_helpers.debug_exporter``; telemetry is an entry point of the group
``am_helpers.env_binders``.
"""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack

import am_machine as am

from .debug_mode import set_debug_mode
from .values import LOGGER, complain_once, debugger_address, is_on, log_level, service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from importlib.metadata import EntryPoint

    DebugExporter: TypeAlias = Callable[[am.MachineApi, str], object]
    EnvBinder: TypeAlias = Callable[[am.MachineApi], object]

EXPORTER_GROUP = "am_helpers.debug_exporter"
BINDER_GROUP = "am_helpers.env_binders"
INNER = "am:inner"
"""The tag of machines that packages make for their own use: whoever listens to all machines because
the environment says so leaves these out."""
_LOGS = frozenset({"AM_LOG_PRINT", "AM_LOG_FILE", "AM_TRACE_FILTER"})
DEBUG_HANDLER_TIMEOUT = 600.0
TEST_HANDLER_TIMEOUT = 1.0

_exporter: DebugExporter | None = None


def debug_env(mach: am.MachineApi) -> None:
    """Apply the ``AM_…`` variables, as they are now, to a machine.

    Nothing here raises because of the environment. Debugger and telemetry leave machines with the
    tag ``am:inner`` alone.
    """
    local: Any = mach
    set_debug_mode(is_debugging())
    if is_on("AM_TEST_RUNNER"):
        local.handler_timeout = TEST_HANDLER_TIMEOUT
    else:
        _debugging(local)
    level = log_level()
    if level is not None:
        local.log_level = am.LogLevel(level)
    full = is_on("AM_LOG_FULL")
    for switch in am.SemLog.SWITCHES:
        if is_on(f"AM_LOG_{switch.upper()}") or full:
            setattr(mach.sem_log, switch, True)
    if is_on("AM_DBG_NO_TRACE"):
        mach.log_traceback = False
    if not _LOGS.isdisjoint(os.environ):
        _steer_logs(mach)


def is_debugging() -> bool:
    """Whether ``AM_DEBUG`` asks for debugging, and ``AM_TEST_RUNNER`` does not forbid it.

    For packages with time-outs of their own, which people who step through code need longer.
    """
    return is_on("AM_DEBUG") and not is_on("AM_TEST_RUNNER")


def _debugging(mach: Any) -> None:
    if is_on("AM_DEBUG"):
        mach.handler_timeout = DEBUG_HANDLER_TIMEOUT
        mach.catch_exceptions = False
        mach.log_traceback = True
        # Here, as few processes are debugged.
        from .watchdog import Watchdog

        mach.bind_tracer(Watchdog())
    if is_on("AM_HEALTHCHECK"):
        from .health import healthcheck

        healthcheck(mach)
    if INNER in mach.tags:
        return
    address = debugger_address()
    if address is not None:
        _export(mach, address)
    if service() is not None:
        _bind(mach)


def _steer_logs(mach: am.MachineApi) -> None:
    # Here, as few processes are told where logs go.
    from .logs import log_to_file, print_logs, shorten_tracebacks

    if is_on("AM_LOG_PRINT"):
        print_logs()
    if is_on("AM_LOG_FILE"):
        log_to_file(mach)
    prefix = os.environ.get("AM_TRACE_FILTER", "")
    if prefix:
        shorten_tracebacks(prefix)


def common(
    states: type[am.States] | am.Schema | dict[str, Any],
    *,
    id: str | None = None,
    handlers: object | None = None,
    parent: am.MachineApi | None = None,
    **options: Unpack[am.MachineOptions],
) -> am.Machine:
    """Make a machine with what most machines want: the environment applied, then handlers bound.

    Options are those of `am.Machine`.

    :raises am.SchemaError: with every fault of the schema listed.
    :raises am.HandlerError: if handlers do not fit the states.
    """
    mach = am.Machine(states, id=id, parent=parent, **options)
    debug_env(mach)
    if handlers is not None:
        mach.bind(handlers)
    return mach


def register_debug_exporter(fn: DebugExporter | None) -> None:
    """Set the function that ``AM_DBG_ADDR`` calls, ``fn(machine, address)``; None unsets it.

    It goes before installed entry points.
    """
    global _exporter
    _exporter = fn


def _export(mach: am.MachineApi, address: str) -> None:
    exporter = _exporter or _installed_exporter()
    if exporter is None:
        complain_once("AM_DBG_ADDR", address, "has no debug exporter installed")
        return
    try:
        exporter(mach, address)
    except Exception:
        LOGGER.warning("the debug exporter failed for %s", mach.id, exc_info=True)


def _bind(mach: am.MachineApi) -> None:
    for point in entry_points(group=BINDER_GROUP):
        try:
            binder: EnvBinder = point.load()
        except Exception as exc:
            complain_once(BINDER_GROUP, point.value, f"cannot be loaded ({exc})")
            continue
        try:
            binder(mach)
        except Exception:
            LOGGER.warning("%s failed for %s", point.value, mach.id, exc_info=True)


def entry_points(group: str) -> Iterable[EntryPoint]:
    """The installed entry points of a group, looked for once as long as the import path stays."""
    return _installed(group, tuple(sys.path))


@lru_cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    # Imported when somebody debugs: it takes longer than the rest of this package together. And it
    # reads a file of each distribution that is installed: not again for each machine.
    from importlib import metadata

    return tuple(metadata.entry_points(group=group))


def _installed_exporter() -> DebugExporter | None:
    for point in entry_points(group=EXPORTER_GROUP):
        try:
            loaded: DebugExporter = point.load()
        except Exception as exc:
            complain_once(EXPORTER_GROUP, point.value, f"cannot be loaded ({exc})")
        else:
            return loaded
    return None


def enable_debugging(stdout: bool = False) -> None:
    """Set the variables for a debugging run of this process, unless ``AM_TEST_RUNNER`` is on.

    Machines set up by `debug_env` or `common` from now on are verbose and connect to a debugger;
    ``stdout=True`` prints their logs too.
    """
    if is_on("AM_TEST_RUNNER"):
        return
    os.environ.update(AM_DEBUG="1", AM_DBG_ADDR="1", AM_LOG_FULL="1", AM_LOG="3")
    if stdout:
        os.environ["AM_LOG_PRINT"] = "1"
