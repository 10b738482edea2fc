# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "textual>=6"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""A terminal application that belongs to a machine: keys are mutations, widgets follow states."""

from __future__ import annotations

import asyncio
import random
import sys
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import trio
from textual.app import App, ComposeResult
from textual.widgets import Digits, Footer, Sparkline

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from textual import events

NARROW = 50  # columns below which there is no room for the curve
KEPT = 60  # readings that the curve shows


@dataclass(frozen=True)
class Size:
    """Of the terminal, in characters."""

    width: int
    height: int


@dataclass(frozen=True)
class Reading:
    """What comes in: a temperature in degrees."""

    value: float


class BoardStates(amh.Basic):
    """Basic brings Start and Ready: the application runs, and its widgets are there."""

    Resized = am.State(multi=True, require=[amh.Basic.Start], args=Size)
    Narrow = am.State(require=[amh.Basic.Start])
    Feeding = am.State(auto=True, require=[amh.Basic.Ready])
    Paused = am.State(remove=[Feeding])
    IncomingData = am.State(multi=True, require=[amh.Basic.Ready], args=Reading)


class Board(App[None]):
    """Tells the machine what happens at the terminal, and nothing else."""

    CSS = "Digits { width: auto; padding: 1 2; } Sparkline { height: 3; margin: 0 2; }"
    BINDINGS: ClassVar = [("p", "pause", "pause, go on"), ("q", "leave", "quit")]

    def __init__(self, read: Callable[[], Awaitable[float]]) -> None:
        super().__init__()
        self.machine = am.Machine(BoardStates, handlers=Owner(self, read), id="board")

    def compose(self) -> ComposeResult:
        """The latest reading, the curve, the keys."""
        yield Digits("--.-")
        yield Sparkline([])
        yield Footer()

    def on_mount(self) -> None:
        """Widgets are there."""
        self.machine.add("Ready")

    def on_resize(self, event: events.Resize) -> None:
        """The window has another size."""
        self.machine.add("Resized", width=event.size.width, height=event.size.height)

    def action_pause(self) -> None:
        """Key p."""
        self.machine.toggle("Paused")

    def action_leave(self) -> None:
        """Key q."""
        self.machine.remove("Start")


class Owner:
    """Does what follows from states. It runs in the thread of the application."""

    def __init__(self, app: Board, read: Callable[[], Awaitable[float]]) -> None:
        self.app = app
        self.read = read
        self.kept: deque[float] = deque(maxlen=KEPT)

    def ResizedState(self, event: am.Event) -> None:
        """Decide what fits."""
        change = event.add if event.args.width < NARROW else event.remove
        change("Narrow")

    def NarrowState(self, event: am.Event) -> None:
        """Leave the curve away."""
        self.app.query_one(Sparkline).display = False

    def NarrowEnd(self, event: am.Event) -> None:
        """Show it again."""
        self.app.query_one(Sparkline).display = True

    async def FeedingState(self, event: am.Event) -> None:
        """A task of trio in an application on asyncio; Paused ends it, for it ends Feeding."""
        while True:
            event.add("IncomingData", value=await self.read())

    def IncomingDataState(self, event: am.Event) -> None:
        """Show one reading."""
        self.kept.append(event.args.value)
        self.app.query_one(Digits).update(f"{event.args.value:.1f}")
        self.app.query_one(Sparkline).data = [*self.kept]

    def StartEnd(self, event: am.Event) -> None:
        """Leave the terminal as it was."""
        self.app.exit()


async def random_walk() -> float:
    """The thermometer of somebody who has none."""
    await trio.sleep(0.2)
    return 20 + random.gauss(0, 2)


async def show() -> None:
    """Run in this terminal until q."""
    app = Board(random_walk)
    async with amh.guest.open_host() as host, host.open(app.machine):
        amh.debug_env(app.machine)
        app.machine.add("Start")
        await app.run_async()


async def story() -> tuple[am.Machine, list[str]]:
    """The same without a terminal: keys are pressed, and what is seen is noted."""
    told: list[str] = []
    send, receive = trio.open_memory_channel[float](10)
    app = Board(receive.receive)
    mach = app.machine
    async with amh.guest.open_host() as host, host.open(mach):
        amh.debug_env(mach)
        mach.add("Start")
        async with app.run_test(size=(80, 24)) as pilot:
            await host.wait(mach.when("Ready", "Feeding"), timeout=5)
            shown = mach.when_next_active("IncomingData")
            send.send_nowait(19.5)
            await host.wait(shown, timeout=5)
            told.append(f"a reading: {app.query_one(Digits).value}")
            await pilot.press("p")
            send.send_nowait(21.0)
            told.append(f"paused: {mach.switch('Paused', 'Feeding')}")
            narrow = mach.when("Narrow")
            await pilot.resize_terminal(40, 20)
            await host.wait(narrow, timeout=5)
            told.append(f"narrow, the curve is shown: {app.query_one(Sparkline).display}")
            shown = mach.when_next_active("IncomingData")
            await pilot.press("p")
            await host.wait(shown, timeout=5)
            told.append(f"what came meanwhile: {app.query_one(Digits).value}")
            await pilot.press("q")
            told.append(f"in the end: {mach.string_all()}")
    return mach, told


def main() -> None:
    """Run in the terminal; where there is none, tell the story."""
    if sys.stdout.isatty():
        asyncio.run(show())
    else:
        print(*asyncio.run(story())[1], sep="\n")


if __name__ == "__main__":
    main()
