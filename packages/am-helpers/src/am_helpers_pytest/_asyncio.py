"""The fixture for tests that run on asyncio; loaded where pytest-asyncio is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["am_host"]


async def _am_host() -> AsyncIterator[Any]:
    """Trio as a guest of the test's asyncio loop: an `am_helpers.guest.Host`, closed at its end."""
    from am_helpers import guest

    async with guest.open_host() as host:
        yield host


am_host: Any = pytest_asyncio.fixture(_am_host, name="am_host")
