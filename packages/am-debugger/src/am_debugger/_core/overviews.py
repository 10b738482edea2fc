"""Handlers of pages about all machines: what they wait for, and where time goes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .._derive.pending import pending_everywhere, pending_page
from .._derive.profile import Profile
from .._derive.profile_page import profile_page
from .working import sliced

if TYPE_CHECKING:
    import am_machine as am

    from .._derive.reader import Fact
    from .debugger import Debugger


class OverviewHandlers:
    """Pages about all machines."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    def PendingState(self, event: am.Event) -> None:
        """Ask all machines what they wait for, and list it; as they answer, more of it."""
        core = self._core
        for client in list(self._session.store):
            if client.is_connected:
                core.wishes.ask_pending(client)
        core.show_page("Pending", self._pending)
        event.machine.remove("Pending")

    def _pending(self) -> tuple[str, list[Fact]]:
        found = pending_everywhere(self._session.store, time.time_ns() // 1000)
        return f"Pending: {len(found.waiting)}", pending_page(found)

    async def ProfileState(self, event: am.Event) -> None:
        """Count, while keys go first, and list what comes of it."""
        core, store = self._core, self._session.store
        found = Profile(store)
        async for _ in sliced(found.look(), core.pace):
            pass
        facts = profile_page(store, found)
        core.show_page("Profile", lambda: ("Profile", facts))
        event.machine.remove("Profile")
