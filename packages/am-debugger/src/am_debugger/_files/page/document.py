"""The page: one document that asks nothing of a network, with the data for its own script."""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import parts

if TYPE_CHECKING:
    from .sheet import Frame, Node, Sheet

_HERE = Path(__file__).parent
# JSON within HTML: nothing in it may look like the end of a script, or the beginning of a comment.
_IN_SCRIPT = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


def document(sheet: Sheet) -> bytes:
    """The page as a file."""
    style = (_HERE / "page.css").read_text(encoding="utf-8").strip()
    script = (_HERE / "page.js").read_text(encoding="utf-8").strip()
    text = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, script)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(sheet.machine)} {sheet.frame.number}: am-dbg</title>",
            f"<style>{style}</style>",
            _body(sheet),
            f'<script type="application/json" id="data">{_data(sheet)}</script>',
            f"<script>{script}</script>",
            "",
        ]
    )
    return text.encode(errors="backslashreplace")


def _policy(style: str, script: str) -> str:
    """Nothing but this style, this script, and pictures within the page."""
    hashes = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for text in (style, script)
    ]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _body(sheet: Sheet) -> str:
    facts = parts.tree(sheet.frame.facts) if sheet.frame.facts else ""
    drawings = "".join(parts.pictures(sheet)) or "<p>Nothing to draw."
    return "\n".join(
        [
            "<a class=skip href=#log-title>To the log</a>",
            f"<header>{parts.head(sheet)}</header>",
            _BAR,
            "<main>",
            "<div class=column>",
            _section("why", "Why", parts.tree(sheet.why)) if sheet.why else "",
            _section("facts", "Causes and facts", f"<div id=facts>{facts}</div>"),
            "</div><div class=column>",
            _section("machines", "Machines", parts.machines(sheet)),
            _section("states", "States", parts.states(sheet)),
            "</div>",
            _section("log", f"Log: {sheet.level}", _FILTER + parts.log(sheet)),
            _section("diagram", "Diagram", drawings),
            "</main>",
            f"<footer><p>{_footer(sheet)}</p></footer>",
        ]
    )


# What scripts alone can do is shown by them.
_BAR = (
    "<nav id=bar aria-label=Moments hidden>"
    "<button type=button id=back aria-keyshortcuts=ArrowLeft>◀ back</button>"
    "<input type=range id=slider aria-label=Moment min=0>"
    "<button type=button id=forward aria-keyshortcuts=ArrowRight>forward ▶</button>"
    "<button type=button id=home>as reported</button>"
    "<button type=button id=open>open all</button>"
    "<button type=button id=close>close all</button>"
    "<span id=place role=status></span></nav>"
)
_FILTER = (
    "<p id=filter hidden><label>Only lines with <input type=search id=words></label> "
    "<span id=found role=status></span></p>"
)


def _section(name: str, title: str, body: str) -> str:
    return (
        f'<section id="{name}-part" aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{escape(title)}</h2>{body}</section>'
    )


def _footer(sheet: Sheet) -> str:
    told = f"Made by am-dbg {escape(sheet.version)}. Times are UTC."
    if sheet.redacted:
        told += f" Left out: {escape(', '.join(sheet.redacted))}."
    return told


# ---------------------------------------------------------------------- for the script


def _data(sheet: Sheet) -> str:
    """The moments for the script: of clocks and labels only what differs from the one before."""
    frames = []
    ticks: tuple[int, ...] = ()
    labels: tuple[str, ...] = ()
    for frame in sheet.frames:
        frames.append(_frame(frame, ticks, labels))
        ticks, labels = frame.ticks, frame.labels
    data = {"at": sheet.at, "frames": frames}
    return json.dumps(data, separators=(",", ":")).translate(_IN_SCRIPT)


def _frame(frame: Frame, ticks: tuple[int, ...], labels: tuple[str, ...]) -> dict[str, Any]:
    return {
        "number": frame.number,
        "time": frame.time,
        "head": frame.head,
        "ticks": _changed(ticks, frame.ticks),
        "marks": frame.marks,
        "facts": [_node(node) for node in frame.facts],
        "labels": _changed(labels, frame.labels),
    }


def _changed(before: tuple[Any, ...], now: tuple[Any, ...]) -> list[tuple[int, Any]]:
    return [(i, one) for i, one in enumerate(now) if i >= len(before) or before[i] != one]


def _node(node: Node) -> list[Any]:
    return [node.text, [_node(child) for child in node.children]] if node.children else [node.text]
