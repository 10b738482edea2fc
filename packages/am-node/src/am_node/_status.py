"""A supervisor and its workers at one moment, in plain values that travel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What is known of one worker at one moment, in plain values.

    A busy worker's news is up to 0.1 s old. `client` is the RPC id of the client that holds it,
    `tasks` how many requests it finished, `errors` how many errors are kept, `age` seconds since
    its fork, or since an engine started it. `pending` is what it waits for in an engine's queue,
    empty if it does not.
    """

    id: str
    states: tuple[str, ...]
    work_status: str
    pid: int | None
    client: str
    tasks: int
    errors: int
    age: float
    pending: str = ""


@dataclass(frozen=True, slots=True)
class PoolStatus:
    """What a supervisor tells of itself and its workers.

    `states` are its active states, `min`, `max` and `warm` the figures of its `Pool`, `forks` how
    many workers it ever started, `restarts` how many of them died or were killed for a fault,
    `error` its latest error, empty if there is none.
    """

    id: str
    kind: str
    addr: str
    pid: int
    states: tuple[str, ...]
    min: int
    max: int
    warm: int
    forks: int
    restarts: int
    error: str
    workers: tuple[WorkerInfo, ...]
