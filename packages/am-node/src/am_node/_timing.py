"""How long things may take, as far as workers know, too. All durations are seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import am_helpers as amh
import am_rpc

from ._errors import BootError

if TYPE_CHECKING:
    from collections.abc import Mapping

# What all durations grow by while somebody debugs.
DEBUG_FACTOR = 10.0


def stretch() -> float:
    """What to multiply durations by: more than 1 if the debug switch of am-helpers is on."""
    return DEBUG_FACTOR if amh.is_debugging() else 1.0


def link_limits(silence: float, **more: float) -> am_rpc.Limits:
    """What keeps a link alive: a ping after a third of `silence`, the end after all of it.

    `more` are other limits of am-rpc, in seconds.
    """
    limits: dict[str, Any] = {"heartbeat": silence / 3, "dead": silence, **more}
    return am_rpc.Limits(**limits)


def is_duration(value: object) -> bool:
    """Whether this is a number of seconds that something may take."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0


class WorkerTiming:
    """Those durations of a `Timing` that a worker knows; what it is not told is as in here.

    :raises BootError: if one that it is told is none.
    """

    conn_timeout: float = 5.0
    delivery_timeout: float = 5.0
    link_timeout: float = 9.0
    lease_grace: float = 10.0
    drain_timeout: float = 30.0
    kill_timeout: float = 5.0
    orphan_grace: float = 5.0
    remote_orphan_timeout: float = 30.0

    def __init__(self, told: Mapping[str, float]) -> None:
        for name in self.__annotations__.keys() & told.keys():
            if not is_duration(told[name]):
                raise BootError(f"{name!r} in the boot configuration is no number of seconds")
            setattr(self, name, told[name])
