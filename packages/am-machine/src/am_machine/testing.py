"""Helpers for tests of programs that are made of machines."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._engine.base import COLLECTORS, BaseMachine

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["created"]


@contextmanager
def created() -> Iterator[list[BaseMachine]]:
    """Collect the machines made inside, replicas too, in order; the list keeps them alive.

    It hears of machines of all threads. Blocks may be nested; each collects for itself.
    """
    collected: list[BaseMachine] = []
    COLLECTORS.append(collected)
    try:
        yield collected
    finally:
        # By identity: two blocks may have collected the same.
        COLLECTORS[:] = [other for other in COLLECTORS if other is not collected]
