"""The pages: the viewer, the files, and a socket that tells when they changed."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import trio

from .files import find, media_type, present
from .serving import Answer, Site

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

_FILES = "/files/"
_PAGES = {
    "/": ("viewer.html", "text/html; charset=utf-8"),
    "/viewer.js": ("viewer.js", "text/javascript; charset=utf-8"),
    "/viewer.css": ("viewer.css", "text/css; charset=utf-8"),
}
_NOTHING = Answer(b"there is no such page\n", status=404)


class Pane:
    """What browsers see: `site` is to be served, `changed` tells them that files are new.

    `status` gives what else they are told: where the cursor is.
    """

    def __init__(self, folder: Path, status: Callable[[], dict[str, Any]]) -> None:
        self._folder = folder
        self._status = status
        self._revision = 0
        self._news = trio.Event()
        self.site = Site(self._get, "/follow", self._told)

    def changed(self) -> None:
        """Files were written."""
        self._revision += 1
        self._news.set()
        self._news = trio.Event()

    async def _get(self, path: str) -> Answer:
        if path in _PAGES:
            name, kind = _PAGES[path]
            return Answer(files("am_debugger._web").joinpath(name).read_bytes(), kind)
        name = path.removeprefix(_FILES)
        found = find(self._folder, name) if path.startswith(_FILES) else None
        if found is None:
            return _NOTHING
        try:
            return Answer(await trio.Path(found).read_bytes(), media_type(name))
        except OSError:  # it has just gone
            return _NOTHING

    async def _told(self) -> AsyncIterator[str]:
        """What there is at once, and whenever files are new."""
        while True:
            news = self._news
            told = {"revision": self._revision, "files": present(self._folder)}
            yield json.dumps({**told, **self._status()})
            await news.wait()
