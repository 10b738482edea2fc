"""Handlers of outputs: files that follow the cursor, written at most every 300 ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from ..._core.drawing import look_of
from ..._core.states import DIAGRAMS, OUTPUTS, RENDERING
from ..._core.working import sliced
from ..._derive.pictures import (
    Picture,
    graph_picture,
    machine_picture,
    state_picture,
    steps_picture,
)
from ..diagrams.draw import remove
from ..diagrams.drawer import Drawer, DrawingError
from ..diagrams.request import Request
from .writer import OutputWriter

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from ..._core.debugger import Debugger
    from ..._derive.pictures import Look

INTERVAL = 0.3
"""Seconds from one writing to the next, at least."""


class OutputHandlers:
    """Text files and diagrams. `on_written` is called after each round that wrote something."""

    def __init__(
        self,
        core: Debugger,
        *,
        drawer: Drawer | None = None,
        on_written: Callable[[], None] | None = None,
    ) -> None:
        self._core = core
        self._session = core.session
        self._writer = OutputWriter(core.session, core.settings.folder)
        self._drawer = Drawer() if drawer is None else drawer
        self.on_written = on_written
        self._changed = trio.Event()
        self._key: object = None

    # ------------------------------------------------------------------ when

    def AnyState(self, event: am.Event) -> None:
        """Note whether anything that files show is another than before."""
        machine = event.machine
        wanted = [state for state in _SWITCHES if state in machine]
        if not wanted:
            self._key = None
            return
        key = (*wanted, *self._place())
        if key != self._key:
            self._key = key
            self._changed.set()

    def _place(self) -> tuple[object, ...]:
        session, view = self._session, self._session.selected
        shared = (session.shown_moment, session.store.revision, session.log_level)
        if view is None:
            return shared
        return (*shared, view.client.serial, view.cursor, view.state, view.group, view.client.last)

    async def ReadyState(self, event: am.Event) -> None:
        """Write whenever something changed, and then not for a while."""
        async with self._drawer:
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                await self._write(event.machine)
                if self.on_written is not None:
                    self.on_written()
                await trio.sleep(INTERVAL)

    async def _write(self, machine: am.Machine) -> None:
        writer = self._writer
        for state, write in (
            ("OutputTx", writer.tx),
            ("OutputLog", writer.log),
            ("OutputClients", writer.clients),
            ("OutputCallLog", writer.calls),
        ):
            if state not in machine:
                continue
            try:
                await write()
            except OSError as exc:
                self._core.note(f"{state} is off: {exc}")
                machine.remove(state)
        has_diagrams = machine.any_(*DIAGRAMS)
        if has_diagrams or "OutputGraph" in machine:
            machine.add("DiagramsGraphRendering")
        if has_diagrams:
            machine.add("DiagramsMachRendering")
            machine.add("DiagramsStatesRendering")
        await machine.when_not(*RENDERING)

    # ------------------------------------------------------------------ diagrams

    async def DiagramsGraphRenderingState(self, event: am.Event) -> None:
        """Machines, parents, pipes and connections at the moment."""
        machine = event.machine
        look = self._look(machine)
        picture: Picture | None = None
        steps = graph_picture(self._session.store, self._session.shown_moment, look)
        async for made in sliced(steps):
            picture = made
        pictures = () if picture is None else (picture,)
        await self._draw(machine, "DiagramsGraph", pictures)

    async def DiagramsMachRenderingState(self, event: am.Event) -> None:
        """The states of the selected machine."""
        machine, session = event.machine, self._session
        view = session.selected
        made: dict[str, Picture | None] = {"machine": None}
        if view is not None:
            look = self._look(machine)
            found = (session.store, view.client, view.cursor, session.current, look)
            made["machine"] = machine_picture(*found)
        await self._draw(machine, "DiagramsMach", self._kept(machine, made))

    async def DiagramsStatesRenderingState(self, event: am.Event) -> None:
        """The selected state with its neighbours, and the steps of the transition."""
        machine, session = event.machine, self._session
        view, current = session.selected, session.current
        made: dict[str, Picture | None] = {"state": None, "steps": None}
        if view is not None:
            look = self._look(machine)
            state = view.state or self._called()
            found = (session.store, view.client, view.cursor, current, look)
            made["state"] = state_picture(*found, state) if state else None
            made["steps"] = steps_picture(view.client, current) if current else None
        await self._draw(machine, "DiagramsStates", self._kept(machine, made))

    def _kept(self, machine: am.Machine, made: dict[str, Picture | None]) -> tuple[Picture, ...]:
        """Pictures that there are; files of those that there are not are removed."""
        try:
            for name in [name for name, picture in made.items() if picture is None]:
                remove(self._core.settings.folder, name)
        except OSError as exc:
            self._failed(machine, exc)
        return tuple([picture for picture in made.values() if picture is not None])

    def _look(self, machine: am.Machine) -> Look:
        return look_of(machine, self._session.selected)

    def _called(self) -> str:
        """The first state that the transition under the cursor called."""
        current = self._session.current
        called = current.explanation.called if current is not None else ()
        return str(called[0]) if called else ""

    async def _draw(self, machine: am.Machine, what: str, pictures: tuple[Picture, ...]) -> None:
        """Have pictures drawn; what fails becomes an error, and the work is over either way."""
        folder = str(self._core.settings.folder)
        has_markdown = "OutputGraph" in machine
        if not pictures:
            machine.add(f"{what}Ready")
            return
        try:
            answer = await self._drawer.draw(Request(folder, pictures, has_markdown))
            faults = answer.faults
        except DrawingError as exc:
            faults = (str(exc),)
        for fault in faults:
            self._failed(machine, DrawingError(f"no diagram: {fault}"))
        if faults:
            machine.remove(f"{what}Rendering")
        else:
            machine.add(f"{what}Ready")

    def _failed(self, machine: am.Machine, exc: Exception) -> None:
        self._core.note(str(exc))
        machine.add_err("ErrDiagrams", exc)


_SWITCHES = (*OUTPUTS, *DIAGRAMS, "DiagTxCalled", "DiagTxMutated", "DiagTxTouched",
             "DiagTxRelations", "DiagGroupHide", "DiagGroupSkip", "Web")  # fmt: skip
