"""Dashboards that the environment asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._env import complain_once, text
from .._errors import GrafanaError

if TYPE_CHECKING:
    import am_machine as am

    from .keeper import Keeper

_keepers: dict[tuple[str, str | None, str], Keeper] = {}


def bind_grafana(machine: am.BaseMachine) -> None:
    """Have a dashboard kept for a machine, if ``AM_GRAFANA_URL`` asks for it.

    The token is taken from ``AM_GRAFANA_TOKEN``, the service from ``AM_SERVICE``, without which
    boards would find nothing. In the machine's own thread.
    """
    url = text("AM_GRAFANA_URL")
    if url is None:
        return
    source = text("AM_SERVICE")
    if source is None:
        complain_once("AM_GRAFANA_URL", url.rpartition("@")[2], "needs AM_SERVICE")
        return
    # Only here: HTTP takes longer to import than the rest of this package.
    from .._hub import Hub
    from .keeper import Keeper

    key = (url, text("AM_GRAFANA_TOKEN"), source)
    keeper = _keepers.get(key)
    if keeper is None:
        try:
            keeper = _keepers[key] = Keeper(*key)
        except GrafanaError as exc:
            # Without what may stand before an @, which is a secret.
            complain_once("AM_GRAFANA_URL", url.rpartition("@")[2], f"is of no use ({exc})")
            return
    local: Any = machine
    Hub.of_process().attach(keeper, local)
