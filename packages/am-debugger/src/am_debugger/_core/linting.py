"""Handlers of pages of facts: what looks wrong in all machines, and why a state is as it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio

from .._derive.lints.page import findings_page
from .._derive.reader import Fact
from .._derive.why import why
from .opening import begin_again
from .ports import Part
from .working import sliced

if TYPE_CHECKING:
    import am_machine as am

    from .debugger import Debugger

INTERVAL = 1.0
"""Seconds from one look at what came to the next."""
LONGEST = 10.0
"""Seconds that it rests at most."""
# Of the time, no more than this share goes into looking.
_SHARE = 0.05


class LintingHandlers:
    """Pages of facts."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    def FactsPageState(self, event: am.Event) -> None:
        """Show them."""
        begin_again(self._core, event)
        self._core.ui.invalidate(Part.DIALOG)

    def LintsState(self, event: am.Event) -> None:
        """Show what looks wrong; as more is found, that, too."""
        core = self._core

        def page() -> tuple[str, list[Fact]]:
            found, unseen = core.lints.findings(), core.lints.unseen()
            count = f"{len(found)} found" if found else "nothing found"
            so_far = " so far" if unseen else ""
            return f"Looks wrong: {count}{so_far}", findings_page(found, unseen)

        core.show_page("Lints", page)
        event.machine.remove("Lints")

    def WhyState(self, event: am.Event) -> None:
        """Tell why the selected state is active, or what stands in its way."""
        view, core = self._session.selected, self._core
        if view is None or not view.state:
            core.ui.notify("choose a state first")
        else:
            title = f"Why: {view.state}"
            try:
                facts = why(self._session.store, view.client, view.cursor, view.state)
            except ValueError:
                facts = [Fact(f"there was no state {view.state} yet")]
            core.show_page("Why", lambda: (title, facts))
        event.machine.remove("Why")


async def watch_lints(core: Debugger) -> None:
    """Look at what comes in for what looks wrong, for as long as it is not cancelled, and no key
    is pressed."""
    while True:
        if not core.machine.is_("Ready") or "Importing" in core.machine:
            await trio.sleep(INTERVAL)  # what is loaded is gone through once, and then quicker
            continue
        began, revision, unseen = time.thread_time(), core.lints.revision, core.lints.unseen()
        looking = core.lints.look(time.time_ns() // 1000)
        async for _ in sliced(looking, core.pace, is_awaited=False):
            pass
        if core.lints.revision != revision:
            core.ui.invalidate(Part.CLIENTS, lazily=True)
        if (core.lints.revision != revision or unseen) and "FactsPage" in core.machine:
            core.ui.invalidate(Part.PAGE, lazily=True)
        # By the processor, not by the clock: on a busy machine others had the time between.
        rest = (time.thread_time() - began) / _SHARE
        await trio.sleep(min(max(INTERVAL, rest), LONGEST))
