"""How long everything may take: supervisors and workers know it. All durations are seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import am_helpers as amh
import am_rpc

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


@dataclass(frozen=True, slots=True)
class Timing:
    """Every time-out, pause and interval of a supervisor and its workers, in seconds."""

    conn_timeout: float = 5.0
    delivery_timeout: float = 5.0
    op_timeout: float = 1.0
    heartbeat: float = 60.0
    heartbeat_timeout: float = 5.0
    worker_check_interval: float = 1.0
    worker_check_timeout: float = 5.0
    pool_pause: float = 5.0
    healthcheck_pause: float = 0.5
    worker_err_ttl: float = 600.0
    worker_err_recent: float = 60.0
    link_timeout: float = 9.0
    lease_grace: float = 10.0
    lease_connect: float = 5.0
    lease_idle: float = 0.05
    lease_turn: float = 1.0
    ask_ttl: float = 6.0
    idle_ttl: float = 600.0
    drain_timeout: float = 30.0
    kill_timeout: float = 5.0
    crash_window: float = 10.0
    crash_delay: float = 0.1
    crash_delay_max: float = 30.0
    crash_reset: float = 60.0
    crash_healthy: float = 1.0
    orphan_grace: float = 5.0
    remote_orphan_timeout: float = 30.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, (int, float)) or isinstance(value, bool) or not value > 0:
                raise ValueError(f"Timing.{field.name} must be a number of seconds, not {value!r}")

    def stretched(self, factor: float) -> Timing:
        """The same with each duration multiplied, for sessions in a debugger."""
        return replace(self, **{f.name: getattr(self, f.name) * factor for f in fields(self)})
