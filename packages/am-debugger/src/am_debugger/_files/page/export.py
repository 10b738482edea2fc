"""The page of a moment as a file of bounded size."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import am_helpers as amh

from ..._derive.pictures import Look, graph_picture, machine_picture
from ..._errors import DebuggerError
from ..atomic import written
from ..diagrams.draw import texts_of
from .document import document
from .gather import gather
from .sheet import Budget, Picture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ..._core.session import Session
    from ..._derive.pictures import Picture as Drawn

MOST_BYTES = 2 << 20
"""A page is never larger."""
# From all that is wanted to what always fits.
_BUDGETS = (
    Budget(50, 1000, 2000, 200, 2000, 500_000),
    Budget(25, 500, 1000, 100, 1000, 300_000),
    Budget(10, 200, 500, 50, 500, 100_000),
    Budget(3, 100, 200, 20, 200, 0),
    Budget(0, 50, 100, 10, 80, 0),
)
# Larger pictures take long to draw, and are of no use.
_MOST_STATES, _MOST_MACHINES = 120, 60


class PageTooLargeError(DebuggerError):
    """A page cannot be made small enough."""


def write_page(session: Session, path: Path, redacted: Iterable[str] = ()) -> int:
    """Write the page of where a session is, and return its size in bytes.

    :raises OSError: if the file cannot be written.
    """
    page = page_of(session, redacted)
    with written(path) as file:
        file.write(page)
    return len(page)


def page_of(session: Session, redacted: Iterable[str] = ()) -> bytes:
    """The page of where a session is; a machine has to be selected. Where it would be too large
    it has less of what is around the moment."""
    drawn = list(_drawn(session))
    redacted = tuple(redacted)
    size = 0
    for budget in _BUDGETS:
        pictures = [one for one in drawn if len(one.svg) + len(one.text) <= budget.picture]
        page = document(gather(session, budget, pictures=pictures, redacted=redacted))
        size = len(page)
        if size <= MOST_BYTES:
            return page
    raise PageTooLargeError(f"the page of {session.url()} would be {size} bytes large")


def _drawn(session: Session) -> Iterator[Picture]:
    """Diagrams as the debugger draws them, if Graphviz is there; else their Mermaid."""
    view, store = session.selected, session.store
    assert view is not None
    client, look = view.client, Look(2)
    if len(client.version.names) <= _MOST_STATES:
        drawn = machine_picture(store, client, view.cursor, session.current, look)
        yield _picture("States after the transition", drawn)
    if len(store) <= _MOST_MACHINES:
        *_, graph = graph_picture(store, session.moment, look)
        assert graph is not None
        yield _picture("Machines at the moment", graph)


def _picture(title: str, drawn: Drawn) -> Picture:
    texts = texts_of(drawn)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.svg")
        try:
            amh.render(texts[".dot"], path)
            return Picture(title, path.read_bytes())
        except (amh.RendererMissing, amh.RenderError):
            return Picture(title, text=texts[".mmd"])
