"""The options of a machine as a type, for functions that hand them on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._watch.log import LogLevel
    from .._watch.tracer import Tracer


class MachineOptions(TypedDict, total=False):
    """Keywords of `Machine` beside `id`, `handlers` and `parent`.

    A function that takes ``**options: Unpack[MachineOptions]`` and hands them on is checked as a
    call of `Machine` is.
    """

    tags: Iterable[str]
    handler_timeout: float | None
    queue_limit: int
    queue_rounds: int | None
    catch_exceptions: bool
    log_level: LogLevel
    tracers: Iterable[Tracer]


MachineOptions.__module__ = "am_machine"  # as users and pickles know it
