"""The screen through the real launcher, for tests that drive it by keys and mouse."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from textual import events
from textual.keys import REPLACED_KEYS, _character_to_key, key_to_character
from textual.pilot import Pilot

import am_machine as am
from am_debugger._cli.options import parse
from am_debugger._cli.run import Instance
from am_debugger._core.debugger import Debugger
from am_debugger._store.link import Link
from am_debugger._ui.app import DebuggerApp
from am_debugger._ui.launcher import running

from ..exporter import Exporter
from ..messages import process
from ..recording import Recorder

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from textual.widget import Widget

    from am_debugger._store.store import Store

Body = Callable[[Pilot[int], DebuggerApp, Debugger], Awaitable[None]]
SIZES = [(200, 60), (120, 40), (80, 24)]


def fill_with_two(store: Store) -> None:
    """Two machines of 30 transitions each."""
    link = Link(store, process())
    for handle, name in enumerate(("worker-2", "worker-10"), 1):
        exporter = Exporter(link, name, handle)
        for k in range(30):
            exporter.do([k % 3], {k % 3: 1}, time=1_000_000 * k, args={"id": k})


def fill_with_related(store: Store) -> None:
    """One machine, recorded: its states are related, one is refused, one fails."""
    recorder = Recorder(Link(store, process()))
    machine = am.Machine(RelatedStates, id="job", tags=["pool:main"], handlers=RelatedHandlers())
    recorder.bind(machine)
    machine.add("Start")
    machine.add("Working")
    machine.add("Connected")
    machine.add("Working", task="long " * 30)
    machine.add("Done", veto=True)
    machine.add("Done")
    recorder.flush()


class RelatedStates(am.States):
    """Relations of each kind."""

    Start = am.State()
    Connected = am.State(require=["Start"])
    Ready = am.State(auto=True, require=["Connected"])
    Working = am.State(multi=True, require=["Ready"], remove=["Done"])
    Done = am.State(require=["Ready"], remove=["Working"])

    class Groups:
        Flow = ("Working", "Done")


class RelatedHandlers:
    def DoneEnter(self, event: am.Event) -> bool:
        return not event.mutation.args.get("veto")


def drive(
    tmp_path: Path,
    body: Body,
    *,
    size: tuple[int, int] = (160, 48),
    fill: Callable[[Store], None] = fill_with_two,
    options: Sequence[str] = (),
) -> Instance:
    """Run the screen with machines of `fill`, and a body that drives it."""
    argv = ["-l", f"unix:{tmp_path / 's'}", "-d", str(tmp_path), "--no-tail"]
    argv += ["--timelines=2", "--no-reader"]
    instance = Instance(parse([*argv, *options], {"XDG_CONFIG_HOME": "/nowhere"}))
    fill(instance.debugger.session.store)

    async def main() -> None:
        async with running(instance) as app, app.run_test(size=size, notifications=True) as pilot:
            await settle(pilot)
            await body(pilot, app, instance.debugger)
            await settle(pilot)

    asyncio.run(asyncio.wait_for(main(), 60))
    return instance


# Seconds after which all is drawn that was put off, even what nobody asked for by a key.
_PUT_OFF = 0.06
# Seconds after which what is never at rest is looked at as it is.
_PATIENCE = 1.0


async def settle(pilot: Pilot[int]) -> None:
    """Wait until keys are handled and what follows is drawn."""
    await _at_rest()
    await asyncio.sleep(_PUT_OFF)
    await _at_rest()
    pilot.app.screen._on_timer_update()
    await _at_rest()


async def _at_rest() -> None:
    """Wait until the loop has nothing to run: it waits for a time, a socket or a thread.

    The pilot asks each of some sixty widgets in turn instead, and looks at the processor's clock:
    that costs more than most keys do, and where others have the processor it ends too early.
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + _PATIENCE
    await asyncio.sleep(0)
    while loop._ready and loop.time() < until:  # type: ignore[attr-defined]  # noqa: ASYNC110
        await asyncio.sleep(0)


async def press(pilot: Pilot[int], *keys: str) -> None:
    """Press keys one after the other, no quicker than a key that is held repeats itself."""
    for key in keys:
        name = _character_to_key(key) if len(key) == 1 else key
        pilot.app.post_message(events.Key(name, key_to_character(REPLACED_KEYS.get(name, name))))
        await settle(pilot)
        await pilot.app.animator.wait_until_complete()


def click(app: DebuggerApp, x: int, y: int) -> None:
    """Click on a place of the screen, as the terminal tells it: the pilot's clicks go past the app.
    Nothing is waited for between press and release."""
    for kind in (events.MouseDown, events.MouseUp):
        app.post_message(kind(None, x, y, 0, 0, 1, False, False, False, x, y))


async def click_on(
    pilot: Pilot[int], pane: str | Widget, at: tuple[int, int] | None = None
) -> None:
    """Click on a place of a pane that is given by its id, or on its middle."""
    app = pilot.app
    assert isinstance(app, DebuggerApp)
    region = (app.query_one(f"#{pane}") if isinstance(pane, str) else pane).region
    click(app, *(region.offset + (at or (region.width // 2, region.height // 2))))
    await settle(pilot)


def text(app: DebuggerApp) -> str:
    """What the screen says."""
    lines = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in lines)
