"""Looks again and again, where nothing tells that something is so."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Callable


async def until(is_so: Callable[[], object], within: float = 20.0) -> None:
    """Return as soon as it is so; fail if it is not in time, in seconds of trio's clock."""
    end = trio.current_time() + within
    while trio.current_time() < end:
        if is_so():
            return
        await trio.sleep(0.02)
    assert is_so(), "not in time"
