"""Writes what is shown into one folder, file by file, and only what has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._core.working import sliced
from ..atomic import file_name
from ..diagrams.draw import write_text
from .call_log import call_files
from .texts import clients_text, log_text, tx_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..._core.session import Session

TX_FILE, LOG_FILE, CLIENTS_FILE = "tx.md", "log.md", "clients.txt"
CALLS_FOLDER = "call-log"


class OutputWriter:
    """Files of one folder; each is there whole or not at all.

    All methods raise OSError if a file cannot be written.
    """

    def __init__(self, session: Session, folder: Path) -> None:
        self._session = session
        self.folder = folder
        # What is in each file.
        self._texts: dict[str, str] = {}
        # Serial numbers of machines -> the transition that is told next.
        self._called: dict[int, int] = {}

    async def tx(self) -> None:
        """The transition under the cursor."""
        self._write(TX_FILE, tx_text(self._session))

    async def log(self) -> None:
        """The log around it."""
        await self._write_last(LOG_FILE, log_text(self._session, self._session.log_level))

    async def clients(self) -> None:
        """All machines at the moment."""
        await self._write_last(CLIENTS_FILE, clients_text(self._session))

    async def calls(self) -> None:
        """The handlers of the selected machine; files that are full are not written again."""
        view = self._session.selected
        if view is None:
            return
        client = view.client
        since = self._called.get(client.serial, client.first)
        if since > client.last:
            return
        folder = self.folder / CALLS_FOLDER / file_name(client.id)
        async for made in sliced(call_files(self._session, client, since)):
            if made is not None:
                folder.mkdir(parents=True, exist_ok=True)
                write_text(folder / made.name, made.text)
                self._called[client.serial] = made.last + 1

    async def _write_last(self, name: str, steps: Iterator[str]) -> None:
        text = ""
        async for step in sliced(steps):
            text = step or text
        self._write(name, text)

    def _write(self, name: str, text: str) -> None:
        if self._texts.get(name) != text:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_text(self.folder / name, text)
            self._texts[name] = text
