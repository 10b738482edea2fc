"""The state `Web`: while it is active, the diagrams pane is served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from .._core.states import DIAGRAMS
from .._derive.url import format_time
from .._errors import DebuggerError
from .._files.inspect import inert, outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    import am_machine as am

    from .._core.debugger import Debugger

ANYWHERE = ("127.0.0.1", 0)
"""Where it is served if nobody said where: at a free port."""
_USUAL_OUTPUTS = ("OutputTx", "OutputLog", "OutputClients")


class WebError(DebuggerError):
    """The diagrams pane cannot be served; the text says why."""


class WebHandlers:
    """Serves the folder of outputs. `url` is where, while it is served."""

    def __init__(self, core: Debugger, address: tuple[str, int] = ANYWHERE) -> None:
        self._core = core
        self._address = address
        self._changed: Callable[[], None] | None = None
        self.url = ""

    def wrote(self) -> None:
        """Outputs were written: browsers are told."""
        if self._changed is not None:
            self._changed()

    async def WebState(self, event: am.Event) -> None:
        """Serve until the state goes; see that there is something to look at."""
        machine = event.machine
        if not machine.any_(*DIAGRAMS):
            machine.add(DIAGRAMS[1])
        machine.add(*_USUAL_OUTPUTS)
        try:
            await self._serve()
        except* ImportError:
            self._failed(machine, 'python -m pip install "am-debugger[web]" brings what it needs')
        except* OSError as group:
            host, port = self._address
            self._failed(machine, f"{host}:{port}: {_reason(group)}")

    def _failed(self, machine: am.Machine, reason: str) -> None:
        error = WebError(f"the diagrams pane is not served: {reason}")
        self._core.note(str(error))
        machine.add_err("ErrWeb", error)
        machine.remove("Web")

    async def _serve(self) -> None:
        # The extra is needed here alone.
        from .pane import Pane

        pane = Pane(self._core.settings.folder, self.status)
        host, port = self._address
        try:
            async with trio.open_nursery() as nursery:
                port = await nursery.start(pane.site.serve, host, port)
                self.url = f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"
                self._changed = pane.changed
                self._core.note(f"diagrams: {self.url}")
        finally:
            self._changed = None
            self.url = ""

    def status(self) -> dict[str, Any]:
        """Where the cursor is, for browsers."""
        session = self._core.session
        view, current, url = session.selected, session.current, session.url()
        if view is None:
            return {"machine": "", "number": 0, "last": 0, "address": ""}
        told: dict[str, Any] = {
            "machine": inert(view.client.id),
            "number": view.cursor,
            "last": view.client.last,
            "state": view.state,
            "address": "" if url is None else inert(str(url)),
        }
        if current is not None:
            told["time"] = format_time(current.tx.time)
            told["outcome"] = outcome(current.tx) or "executed"
        return told


def _reason(exc: BaseException) -> str:
    """What the system said, of the first of a group."""
    while isinstance(exc, BaseExceptionGroup):
        exc = exc.exceptions[0]
    return str(getattr(exc, "strerror", None) or exc)
