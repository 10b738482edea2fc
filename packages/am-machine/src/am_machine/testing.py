"""Helpers for tests of programs that are made of machines."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._engine.base import COLLECTORS, BaseMachine

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["created"]


class _Told(list[BaseMachine]):
    """A list that passes on what it gets."""

    def __init__(self, fn: Callable[[BaseMachine], object]) -> None:
        super().__init__()
        self._fn = fn

    def append(self, machine: BaseMachine) -> None:
        super().append(machine)
        self._fn(machine)


@contextmanager
def created(fn: Callable[[BaseMachine], object] | None = None) -> Iterator[list[BaseMachine]]:
    """Collect the machines made inside, replicas too, in order; the list keeps them alive.

    `fn` is called with each of them as soon as it is made, in the thread that makes it, where
    tracers may be bound. What `fn` raises is raised there.

    It hears of machines of all threads. Blocks may be nested; each collects for itself.
    """
    collected: list[BaseMachine] = [] if fn is None else _Told(fn)
    COLLECTORS.append(collected)
    try:
        yield collected
    finally:
        # By identity: two blocks may have collected the same.
        COLLECTORS[:] = [other for other in COLLECTORS if other is not collected]
