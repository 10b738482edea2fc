"""What the feed takes in becomes states of the debugger's machine; without a screen, what that has
to say is printed."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from .._core.ports import NullUi
from .._derive.url import MachineUrl, parse_url
from .._files.inspect import inert

if TYPE_CHECKING:
    from .._core.debugger import Debugger


class SaidUi(NullUi):
    """No screen: what is told goes to stderr."""

    def notify(self, text: str) -> None:
        """Print a line, if anybody is there."""
        super().notify(text)
        with contextlib.suppress(OSError, ValueError):
            print(f"am-dbg: {inert(text)}", file=sys.stderr, flush=True)


class Listener:
    """What the feed takes in becomes states of the debugger's machine. `url` is where the user
    wants to begin, which may come later than the user."""

    def __init__(self, debugger: Debugger, url: str | None = None) -> None:
        self._debugger = debugger
        self._wanted = None if url is None else parse_url(url)

    def connected(self) -> None:
        """An exporter came."""
        self._debugger.machine.add("ConnectEvent")

    def disconnected(self) -> None:
        """A connection ended."""
        self._debugger.machine.add("DisconnectEvent")

    def machine_came(self) -> None:
        """A machine came, or changed."""
        self._debugger.machine.add("InitClient")
        self.begin()

    def took(self, nbytes: int, *, is_debugger: bool = False) -> None:
        """Messages were taken in."""
        self._debugger.took(nbytes, is_debugger=is_debugger)
        self.begin()

    async def turn(self) -> None:
        """Keys have their turn, then others, and what is old goes."""
        await self._debugger.turn()

    def note(self, text: str) -> None:
        """Something happened to the debugger itself."""
        self._debugger.note(text)

    def expect(self) -> None:
        """Begin, or tell that what is there already does not hold where the user wants to begin."""
        self.begin()
        if self._wanted is not None:
            self.note(f"waits for {self._wanted}, which is not known yet")

    def begin(self) -> None:
        """Go to where the user wants to begin, once it is known, unless the user went elsewhere."""
        wanted, session = self._wanted, self._debugger.session
        if wanted is None:
            return
        if session.selected is not None:
            self._wanted = None
        elif (place := session.find(wanted)) is not None:
            self._wanted = None
            client = session.store.by_serial(place.serial)
            if client is not None and wanted == MachineUrl(wanted.machine_id):
                self._debugger.machine.add("SelectingClient", client=client.id)
            else:
                self._debugger.machine.add("GoToUrl", url=str(wanted))
