"""What the environment asks for, applied to a machine."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING

from . import _env
from ._env import INNER, LOGGER
from ._errors import MissingExtraError
from ._grafana.from_env import bind_grafana

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    Binder = Callable[[am.BaseMachine], object]


def export_to_debugger(machine: am.BaseMachine, addr: str) -> None:
    """Stream a machine to the debugger at an address, as `AM_DBG_ADDR` has it.

    Without the extra `[dbg]`, and for what is no address, that is one WARNING. Machines with the
    tag `am:inner` are left alone.
    """
    if INNER in machine.tags or not hasattr(machine, "bind_tracer"):
        return
    if find_spec("msgpack") is None:
        _env.complain_once("AM_DBG_ADDR", addr, str(MissingExtraError("dbg", "the stream")))
        return
    # Not before it is wanted: it imports the codec.
    from ._dbg.from_env import export

    export(machine, addr)


def _bind_debugger(machine: am.BaseMachine) -> None:
    addr = _env.text("AM_DBG_ADDR")
    if addr is not None:
        export_to_debugger(machine, addr)


SIGNALS = ("AM_OTEL_TRACE", "AM_OTEL_METRICS", "AM_OTEL_LOGS", "AM_PROM_ADDR", "AM_PROM_PUSH_URL")
"""Where none of these is set, there are neither traces, metrics nor logs."""


def _bind_signals(machine: am.BaseMachine) -> None:
    if any([os.environ.get(name) for name in SIGNALS]):
        # Not before it is wanted: it imports OpenTelemetry.
        from ._setup.from_env import bind_signals

        bind_signals(machine)


# One per kind of listener; each reads its own switches, and does nothing where they are off.
BINDERS: tuple[Binder, ...] = (_bind_debugger, _bind_signals, bind_grafana)


def bind_env(machine: am.BaseMachine) -> None:
    """Bind what the `AM_…` switches of the environment ask for, as they are now.

    A machine that is bound already stays as it is; machines with the tag `am:inner` are left alone,
    and so are replicas and stand-ins that take no tracers. To be called in the machine's thread.
    Nothing is raised because of the environment: what is wrong there is logged once at WARNING.
    """
    if INNER in machine.tags or not hasattr(machine, "bind_tracer"):
        return
    for bind in BINDERS:
        try:
            bind(machine)
        except Exception:
            LOGGER.warning("%s failed for %s", bind.__module__, machine.id, exc_info=True)
