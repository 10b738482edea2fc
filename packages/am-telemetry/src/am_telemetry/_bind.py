"""What the environment asks for, applied to a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._env import LOGGER
from ._grafana.from_env import bind_grafana
from ._hub import INNER

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    Binder = Callable[[am.BaseMachine], object]

# One per kind of listener; each reads its own switches, and does nothing where they are off.
BINDERS: tuple[Binder, ...] = (bind_grafana,)


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
