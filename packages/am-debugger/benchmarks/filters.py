"""How long it takes until other transitions are shown."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import trio
from micro_store import MACHINE, PROCESS, SCHEMA, rows

from am_debugger._core.debugger import Debugger
from am_debugger._core.ports import NullUi, Part
from am_debugger._store.link import Link

if TYPE_CHECKING:
    from rows import Run

_MADE = 50_000


class _Screen(NullUi):
    """Notes when it was asked to draw."""

    first: float | None = None

    def invalidate(self, *parts: Part, lazily: bool = False) -> None:
        """The screen is drawn from here on."""
        if self.first is None:
            self.first = time.perf_counter()


def filter_change(run: Run) -> None:
    """A filter changes with all transitions on one machine."""
    debugger = Debugger()
    link = Link(debugger.session.store, PROCESS)
    link.schema(SCHEMA)
    link.machine(MACHINE)
    made = rows(_MADE, is_rich=False)
    for k in range(run.sizes.transitions):
        link.transition(1, made[k % _MADE])
    first, done, longest = trio.run(_change, debugger)
    told = (
        f"first {first * 1e3:.0f} ms, done {done * 1e3:.0f} ms, longest step {longest * 1e3:.0f} ms"
    )
    run.tell("filter change", told, "100 ms / 2 s", misses=first > 0.1 or done > 2)


async def _change(debugger: Debugger) -> tuple[float, float, float]:
    machine = debugger.machine
    async with machine:
        machine.add("Start")
        machine.add("SelectingClient", client="machine-1")
        await machine.when("ClientSelected")
        view = debugger.session.selected
        assert view is not None
        debugger.ui = screen = _Screen()
        began = time.perf_counter()
        machine.add("FilterAutoTx")
        longest = time.perf_counter() - began
        while not view.visible.is_complete:
            at = time.perf_counter()
            await trio.lowlevel.checkpoint()
            longest = max(longest, time.perf_counter() - at)
        done = time.perf_counter() - began
        first = (screen.first or time.perf_counter()) - began
        machine.dispose()
    return first, done, longest
