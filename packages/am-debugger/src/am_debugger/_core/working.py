"""Handlers of what comes in and of what takes a while: messages, memory, dumps."""

from __future__ import annotations

import gc
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import trio

from .._errors import DebuggerError
from .._store.eviction import Evicted, evict
from .ports import Part, Progress
from .states import FileArgs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    import am_machine as am

    from .debugger import Debugger
    from .pace import Pace

T = TypeVar("T")
# Seconds of work between two checkpoints.
_SLICE = 0.002
# Seconds from one picture of how far a dump is to the next.
_SHOWN = 0.25


class WorkingHandlers:
    """Messages, memory, dumps."""

    def __init__(self, core: Debugger) -> None:
        self._core = core
        self._session = core.session

    # ------------------------------------------------------------------ messages

    def ConnectEventState(self, event: am.Event) -> None:
        """A new one may find the old ones gone."""
        core = self._core
        store = self._session.store
        if core.settings.clean_on_connect and not any(client.is_connected for client in store):
            for client in list(store):
                core.forget(client)
            event.machine.remove("ClientSelected")
        core.ui.invalidate(Part.CLIENTS, lazily=True)
        event.machine.remove("ConnectEvent")

    def DisconnectEventState(self, event: am.Event) -> None:
        """Its machines are shown as disconnected."""
        self._core.ui.invalidate(Part.CLIENTS, lazily=True)
        event.machine.remove("DisconnectEvent")

    def InitClientState(self, event: am.Event) -> None:
        """The first machine is selected, if that is wanted."""
        core, machine = self._core, event.machine
        core.ui.invalidate(Part.CLIENTS, Part.SCHEMA, lazily=True)
        if core.settings.select_connected and self._session.selected is None:
            first = next(iter(self._session.store), None)
            if first is not None:
                machine.add("SelectingClient", client=first.id)
        machine.remove("InitClient")

    def ClientMsgState(self, event: am.Event) -> None:
        """More is known."""
        self._core.grown()
        event.machine.remove("ClientMsg")

    # ------------------------------------------------------------------ memory

    async def GcMsgsState(self, event: am.Event) -> None:
        """Drop what is old until there is room."""
        core, settings = self._core, self._core.settings
        # What was worked out can be worked out again.
        self._session.parser.clear()
        store, now = self._session.store, time.time_ns() // 1000
        done = Evicted()
        try:
            steps = evict(store, settings.max_bytes, now=now, log_ttl=settings.log_ttl_us)
            async for step in sliced(steps, core.pace):
                done = step
                self._keep_cursor()
            if done:
                for client in done.clients:
                    core.forget(client)
                core.settle()
                core.note(str(done))
            if store.nbytes > settings.max_bytes:
                store.drop_schemas()
            store.is_full = store.nbytes > settings.max_bytes
            core.look_at_memory()
        finally:
            # Whoever waits for room would else wait for good.
            event.machine.remove("GcMsgs")

    def _keep_cursor(self) -> None:
        """What is under the cursor may have been dropped: whoever draws next finds it elsewhere."""
        view = self._session.selected
        if view is not None and view.cursor < view.client.first - 1:
            self._session.settle(view)

    # ------------------------------------------------------------------ dumps

    async def ImportingState(self, event: am.Event) -> None:
        """Load a dump."""
        core, machine, args = self._core, event.machine, event.args_as(FileArgs)
        began = time.monotonic()
        try:
            reading = core.files.read(self._session.store, args.path)
            done = await self._followed(reading, Part.CLIENTS, Part.STATUS, is_loading=True)
        except (DebuggerError, OSError) as exc:
            if args.is_needed:
                core.fault = exc
            else:
                core.note(f"not imported: {exc}")
                machine.add_err("ErrImport", exc)
            machine.remove("Importing")
            return
        for warning in done.warnings:
            core.note(warning)
        took = f"{done.transitions:_} transitions in {time.monotonic() - began:.1f} s"
        core.note(f"imported: {args.path}: {took}", is_quiet=True)
        keep_for_good()
        core.check_memory()
        machine.add("InitClient")
        machine.add("ClientMsg")
        machine.add("Imported")

    async def ExportingState(self, event: am.Event) -> None:
        """Write a dump; a name without ending gets one."""
        core, machine = self._core, event.machine
        args = event.args_as(FileArgs)
        path = core.settings.folder / Path(args.path).name
        if not path.name.endswith((".gz", ".zst")):
            path = path.with_name(path.name + ".amdbg.gz")
        moment = self._session.moment if args.only_moment else None
        try:
            writing = core.files.write(self._session.store, str(path), moment)
            await self._followed(writing, Part.STATUS)
        except (DebuggerError, OSError) as exc:
            core.note(f"not exported: {exc}")
            machine.add_err(exc)
            machine.remove("Exporting")
            return
        core.ui.notify(f"written: {path}")
        machine.add("Exported")

    async def _followed(
        self, steps: Iterator[Progress], *parts: Part, is_loading: bool = False
    ) -> Progress:
        """Go through steps, while parts of the screen show how far that is; return the last. What
        is loaded needs room."""
        core, done, due = self._core, Progress(0.0, 0), 0.0
        try:
            async for step in sliced(steps, core.pace):
                if is_loading:
                    await core.loaded(step.transitions - done.transitions)
                core.progress = done = step
                now = time.monotonic()
                if now >= due:
                    due = now + _SHOWN
                    core.ui.invalidate(*parts, lazily=True)
        finally:
            core.progress = None
        return done


def keep_for_good() -> None:
    """Much was loaded that stays: collections of garbage do not go through it again and again."""
    gc.collect()
    gc.freeze()


async def sliced(
    steps: Iterator[T], pace: Pace | None = None, *, is_awaited: bool = True
) -> AsyncIterator[T]:
    """Go through steps with a checkpoint every two milliseconds of work, where keys have their
    turn, and all of it waits for a lull if nobody awaits it; ended early, the steps are closed."""
    turn = trio.lowlevel.checkpoint
    if pace is not None:
        turn = pace.turn if is_awaited else pace.lull
    try:
        until = time.monotonic() + _SLICE
        for step in steps:
            yield step
            if time.monotonic() >= until:
                await turn()
                until = time.monotonic() + _SLICE
    finally:
        close = getattr(steps, "close", None)
        if close is not None:
            close()
