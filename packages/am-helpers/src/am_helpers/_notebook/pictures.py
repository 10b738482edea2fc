"""What a notebook shows of schemas, machines, graphs, transitions and explanations.

Mermaid text, for front ends that draw it; a picture, if a renderer is installed; else a table.
"""

from __future__ import annotations

import shutil
import tempfile
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import am_machine as am

from .._diagrams.d2 import d2
from .._diagrams.explained import explained_of
from .._diagrams.mermaid import mermaid
from .._diagrams.render import render
from .._diagrams.sequence import sequence_of
from .._diagrams.view import Options, view_of
from .._errors import RenderError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .._diagrams.view import Box

MERMAID = "text/vnd.mermaid"


def bundle_of(obj: Any) -> dict[str, str] | None:
    """Return what to show by type of content; None where the plain text is all there is."""
    try:
        text = mermaid(obj)
    except (TypeError, ValueError):  # a transition without steps, `am.States` itself
        return None
    shown = {"text/plain": _plain(obj), MERMAID: text}
    svg = _svg(obj, text)
    return shown | ({"image/svg+xml": svg} if svg is not None else {"text/html": html_of(obj)})


def html_of(obj: Any) -> str:
    """Return tables of states, or of the steps of a transition, or what an explanation says."""
    if isinstance(obj, am.Explanation):
        return _explanation(obj)
    if isinstance(obj, am.Transition):
        story = sequence_of(obj)
        steps = ((arrow.source, arrow.text, arrow.target) for arrow in story.arrows)
        return _table(story.title, ("from", "step", "to"), steps)
    boxes = view_of(obj, Options()).boxes
    title = obj.id if isinstance(obj, am.BaseMachine) else getattr(obj, "__name__", "")
    return "\n".join(
        _table(box.title or title, ("state", "", "relations"), _rows(box)) for box in boxes
    )


def _plain(obj: Any) -> str:
    return str(obj) if isinstance(obj, am.BaseMachine | am.Explanation) else repr(obj)


def _explanation(explanation: am.Explanation) -> str:
    told = explained_of(explanation)
    states = _table(told.title, ("state", ""), ((name, str(fate)) for name, fate in told.states))
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in told.reasons)
    head, *names = told.handlers or ("",)
    calls = "".join(f"<li>{escape(name)}</li>" for name in names)
    order = f"<p>{escape(head)}</p><ol>{calls}</ol>" if names else ""
    return f"{states}\n<ul>{reasons}</ul>{order}"


def _svg(obj: Any, text: str) -> str | None:
    """Draw with d2, which is quick, or else with mmdc; nothing is said of one that fails."""
    if shutil.which("d2"):
        text = d2(obj)
    elif not shutil.which("mmdc"):
        return None
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder, "picture.svg")
        try:
            render(text, picture)
            return picture.read_text(encoding="utf-8")
        except (RenderError, OSError, UnicodeDecodeError):
            return None


def _rows(box: Box) -> Iterable[tuple[str, str, str]]:
    for state in box.states:
        marks = [mark for mark in ("active", "auto", "multi") if getattr(state, mark)]
        by_kind: dict[str, list[str]] = {}
        for source, kind, target in box.relations:
            if source == state.name:
                by_kind.setdefault(kind, []).append(target)
        relations = "; ".join(f"{kind} {', '.join(names)}" for kind, names in by_kind.items())
        yield state.name, " ".join(marks), relations


def _table(title: str, heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    lines = [
        "<table>",
        f"<caption>{escape(title)}</caption>" if title else "",
        f"<tr>{head}</tr>",
    ]
    for row in rows:
        first, *rest = (escape(cell) for cell in row)
        name = f"<b>{first}</b>" if "active" in row[1].split() else first
        lines.append(f"<tr><td>{'</td><td>'.join([name, *rest])}</td></tr>")
    return "\n".join([*filter(None, lines), "</table>"])
