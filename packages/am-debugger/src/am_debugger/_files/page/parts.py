"""Pieces of HTML made of what a page says. Each text is escaped where it becomes HTML: here."""

from __future__ import annotations

import base64
from html import escape
from typing import TYPE_CHECKING

from .relations import drawing
from .sheet import RELATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .sheet import Frame, MachineRow, Node, Picture, Sheet, StateRow

FOLDED = ("Steps", "Pipe-in", "Pipe-out")
"""Long sections that are closed in the beginning."""
_DEEPEST = 12
_WORDS = {"c": "called", "+": "added", "-": "removed", "*": "touched"}


def head(sheet: Sheet) -> str:
    """What the moment was, and its address."""
    frame = sheet.frame
    rows = "".join(
        [f"<div><dt>{escape(name)}</dt><dd>{escape(text)}</dd></div>" for name, text in frame.head]
    )
    return (
        f"<h1><span>{escape(sheet.machine)}</span> <b id=number>{frame.number or 'start'}</b></h1>"
        f"<p><time id=time>{escape(frame.time)}</time></p>"
        f"<p><code id=address>{escape(sheet.address)}</code></p>"
        f"<dl id=head>{rows}</dl>"
    )


def machines(sheet: Sheet) -> str:
    """The list of machines at the moment, as a table."""
    rows = [
        _machine(row, label) for row, label in zip(sheet.machines, sheet.frame.labels, strict=True)
    ]
    more = f"<p>… and {sheet.machines_left} more</p>" if sheet.machines_left else ""
    return (
        "<table><thead><tr><th scope=col>Machine<th scope=col>At the moment</thead>"
        f"<tbody id=machines>{''.join(rows)}</tbody></table>{more}"
        "<p class=legend>E error, R ready, S started; × gone, ! an error lately; "  # noqa: RUF001
        "its last transition then, + if there are later ones.</p>"
    )


def _machine(row: MachineRow, label: str) -> str:
    here = " aria-current=true" if row.is_selected else ""
    depth = min(row.depth, _DEEPEST)
    return (
        f'<tr{here}><th scope=row class="in{depth}">{escape(row.name)}'
        f'<td class="{label_class(label)}">{escape(label)}'
    )


def label_class(label: str) -> str:
    """How a machine's label is shown: an error now, one lately, gone."""
    if "E" in label.partition("|")[0]:
        return "bad"
    return "gone" if label[:1] == "×" else "was-bad" if label[:1] == "!" else ""  # noqa: RUF001


def states(sheet: Sheet) -> str:
    """The schema as a tree: what a state has relations with is folded below it."""
    frame, marks = sheet.frame, dict(sheet.frame.marks)
    rows = [_state(i, row, frame, marks.get(i, "")) for i, row in enumerate(sheet.states)]
    more = f"<p>… and {sheet.states_left} more</p>" if sheet.states_left else ""
    return (
        f"<ul id=states class=tree>{''.join(rows)}</ul>{more}"
        "<p class=legend>● active, ○ inactive; the number of changes; "
        "what the transition did: c called, + added, - removed, * touched.</p>"
    )


def _state(i: int, row: StateRow, frame: Frame, marks: str) -> str:
    tick = frame.ticks[i] if i < len(frame.ticks) else 0
    kinds = [word for word, on in (("multi", row.is_multi), ("auto", row.is_auto)) if on]
    below = [f"{kind}: {' '.join(names)}" for kind, names in row.relations]
    below += [f"tag: {tag}" for tag in row.tags]
    title = (
        f'<span class="dot" aria-hidden=true>{"●" if tick % 2 else "○"}</span>'
        f"<span class=name>{escape(row.name)}</span>"
        f"{''.join([f' <small>{kind}</small>' for kind in kinds])}"
        f"<span class=marks>{marks_text(marks)}</span>"
        f"<span class=tick>{tick}</span>"
    )
    words = " ".join(state_classes(row.name, tick, marks))
    if not below:
        return f'<li class="{words}"><div>{title}</div>'
    items = "".join([f"<li>{escape(one)}" for one in below])
    return f'<li class="{words}"><details><summary>{title}</summary><ul>{items}</ul></details>'


def marks_text(marks: str) -> str:
    """What a transition did to a state, with words for those who hear it."""
    told = " ".join([_WORDS[mark] for mark in marks])
    return f'<abbr title="{told}">{marks}</abbr>' if marks else ""


def state_classes(name: str, tick: int, marks: str) -> list[str]:
    """How a state is shown."""
    found = ["on" if tick % 2 else "off"]
    if tick % 2 and (name == "Exception" or name.startswith("Err")):
        found.append("bad")
    return [*found, "called"] if "c" in marks else found


def log(sheet: Sheet) -> str:
    """The log of the moments around, a group a transition."""
    groups = []
    for k, frame in enumerate(sheet.frames):
        here = " aria-current=true" if k == sheet.at else ""
        lines = "".join(
            [
                f"<p><i aria-hidden=true>{escape(row.mark)}</i><span>{escape(row.text)}</span></p>"
                for row in frame.log
            ]
        )
        when = f"{frame.number} {frame.time[11:-1]}" if frame.time else "start"
        groups.append(f"<li data-frame={k}{here}><span class=when>{when}</span><div>{lines}</div>")
    return (
        f"<ol id=log>{''.join(groups)}</ol>"
        "<p class=legend>▌ changed, · nothing changed, q queued, × canceled, ✎ note.</p>"  # noqa: RUF001
    )


def tree(nodes: Sequence[Node]) -> str:
    """Texts with others folded below them."""
    return f"<ul class=tree>{''.join([_node(node) for node in nodes])}</ul>"


def _node(node: Node) -> str:
    if not node.children:
        return f"<li>{escape(node.text)}"
    opened = "" if node.text in FOLDED else " open"
    return (
        f"<li><details{opened}><summary>{escape(node.text)}</summary>"
        f"{tree(node.children)}</details>"
    )


def pictures(sheet: Sheet) -> Iterator[str]:
    """The drawings."""
    own = drawing(sheet)
    if own:
        keys = "".join([f"<li class={kind}>{kind}" for kind in RELATIONS])
        yield (
            f"<figure><div class=wide tabindex=0>{own}</div>"
            f"<figcaption><ul class=keys>{keys}</ul></figcaption></figure>"
        )
    for picture in sheet.pictures:
        yield _picture(picture)


def _picture(picture: Picture) -> str:
    title = escape(picture.title)
    if picture.svg:
        data = base64.b64encode(picture.svg).decode()
        image = f'<img alt="{title}" src="data:image/svg+xml;base64,{data}">'
        body = f'<div class="wide paper" tabindex=0>{image}</div>'
    else:
        body = f"<pre tabindex=0>{escape(picture.text)}</pre>"
    return f"<details open><summary>{title}</summary>{body}</details>"
