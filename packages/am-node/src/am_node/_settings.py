"""The figures a pool is run by. Workers do not load them: they are told what concerns them."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace

from ._timing import WorkerTiming, is_duration


class _Default(int):
    """A number that nobody gave."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How many workers a supervisor keeps.

    `max` bounds the processes that exist at any instant, those being killed included. `min`
    workers must be ready for the pool to be ready. Of these two, one that is not given makes room
    for the other: ``Pool(max=1)`` has a `min` of 1, ``Pool(min=20)`` a `max` of 20. `warm` idle
    workers are kept beyond what is needed, within `max`. `max_client_workers` bounds the workers
    that one client may hold (default: max).

    :raises ValueError: for a negative number, a `max` below 1, or a given `min` over a given `max`.
    """

    min: int = _Default(2)
    max: int = _Default(10)
    warm: int = 5
    max_client_workers: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            optional = field.name == "max_client_workers"
            if value is None and optional:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise ValueError(f"Pool.{field.name} must be a number of workers, not {value!r}")
        if self.max < 1:
            raise ValueError("Pool.max must be at least 1")
        low, high = self.min, self.max
        if isinstance(low, _Default):
            low = min(low, high)
        elif isinstance(high, _Default):
            high = max(low, high)
        elif low > high:
            raise ValueError(f"Pool(min={low}, max={high}): the minimum is over the maximum")
        object.__setattr__(self, "min", int(low))
        object.__setattr__(self, "max", int(high))

    @property
    def client_limit(self) -> int:
        """How many workers one client may hold."""
        return self.max if self.max_client_workers is None else self.max_client_workers

    @property
    def target(self) -> int:
        """How many workers an unused pool has: `min` + `warm`, within `max`."""
        return min(self.min + self.warm, self.max)


@dataclass(frozen=True, slots=True)
class Policy:
    """When a supervisor gives up on a worker, or on itself.

    `worker_err_kill`: a worker with more kept errors is killed. `crash_loop`: so many early deaths
    within `Timing.crash_reset` make a crash loop. `give_up_after`: seconds of a crash loop after
    which the supervisor ends with exit code 70 (None: never). `health_tries`: attempts of one
    health check. `pool_rounds`: rounds of one normalization. `parallel_starts`: workers that come
    up at the same time, by default as many as there are processors.
    """

    worker_err_kill: int = 3
    crash_loop: int = 5
    give_up_after: float | None = None
    health_tries: int = 3
    pool_rounds: int = 5
    parallel_starts: int = max(2, os.cpu_count() or 1)


@dataclass(frozen=True, slots=True)
class Rlimits:
    """Limits the operating system puts on a worker, set before its class is imported.

    `memory`: bytes of address space; `files`: open descriptors; `cpu`: seconds of processor time.
    None leaves a limit as it is. Platforms without a limit ignore it.
    """

    memory: int | None = None
    files: int | None = None
    cpu: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and (
                not isinstance(value, int) or isinstance(value, bool) or value <= 0
            ):
                raise ValueError(f"Rlimits.{field.name} must be a positive number, not {value!r}")


@dataclass(frozen=True, slots=True)
class Timing:
    """Every time-out, pause and interval of a supervisor and its workers, in seconds."""

    conn_timeout: float = WorkerTiming.conn_timeout
    delivery_timeout: float = WorkerTiming.delivery_timeout
    op_timeout: float = 1.0
    heartbeat: float = 60.0
    heartbeat_timeout: float = 5.0
    worker_check_interval: float = 1.0
    worker_check_timeout: float = 5.0
    pool_pause: float = 5.0
    healthcheck_pause: float = 0.5
    worker_err_ttl: float = 600.0
    worker_err_recent: float = 60.0
    link_timeout: float = WorkerTiming.link_timeout
    lease_grace: float = WorkerTiming.lease_grace
    lease_connect: float = 5.0
    lease_idle: float = 0.05
    lease_turn: float = 1.0
    ask_ttl: float = 6.0
    idle_ttl: float = 600.0
    drain_timeout: float = WorkerTiming.drain_timeout
    kill_timeout: float = WorkerTiming.kill_timeout
    crash_window: float = 10.0
    crash_delay: float = 0.1
    crash_delay_max: float = 30.0
    crash_reset: float = 60.0
    crash_healthy: float = 1.0
    orphan_grace: float = WorkerTiming.orphan_grace
    remote_orphan_timeout: float = WorkerTiming.remote_orphan_timeout

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not is_duration(value):
                raise ValueError(f"Timing.{field.name} must be a number of seconds, not {value!r}")

    def stretched(self, factor: float) -> Timing:
        """The same with each duration multiplied, for sessions in a debugger."""
        return replace(self, **{f.name: getattr(self, f.name) * factor for f in fields(self)})
