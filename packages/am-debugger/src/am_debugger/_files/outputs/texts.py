"""What is under the cursor, as text for files. Names from elsewhere are shown inert."""

from __future__ import annotations

from typing import TYPE_CHECKING

import am_helpers as amh

from ..._derive.log_lines import format_args, lines_of, outer_lines
from ..._derive.moment import label, ordered
from ..._derive.reader import called_text, facts
from ..._derive.url import MachineUrl, format_time
from ..inspect import inert, outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._core.session import Session
    from ..._derive.reader import Fact
    from ..._derive.steps import Parsed
    from ..._store.client import Client

LOG_BEFORE, LOG_AFTER = 400, 100
"""Visible transitions of the log before and after the cursor."""
_SPECIAL = frozenset("\\`*_[]<>#|~")


def markdown(text: str) -> str:
    """A text from elsewhere on one line, read by Markdown as it stands."""
    return "".join([f"\\{char}" if char in _SPECIAL else char for char in inert(text)])


# ---------------------------------------------------------------------- tx.md


def tx_text(session: Session) -> str:
    """The transition under the cursor: what it did, its steps as text and as a sequence, and the
    facts of the reader."""
    view, parsed = session.selected, session.current
    if view is None:
        return "No machine is selected.\n"
    client = view.client
    if parsed is None:
        return f"# {markdown(client.id)}\n\nBefore the first transition.\n"
    lines = [f"# {markdown(client.id)}, transition {parsed.tx.number}", "", *_head(client, parsed)]
    if parsed.steps:
        lines += ["", "## Steps", "", *_steps(parsed), "", "```mermaid"]
        lines += [amh.mermaid(parsed.explanation, steps=True).rstrip(), "```"]
    for section in facts(session.store, client, parsed):
        lines += ["", f"## {markdown(section.text)}", "", *_items(section.children)]
    return "\n".join([*lines, ""])


def _head(client: Client, parsed: Parsed) -> Iterator[str]:
    tx, names = parsed.tx, client.version_at(parsed.tx.number).names
    kind = " ".join(["auto"] * tx.is_auto + ["check"] * tx.is_check)
    called = f"{called_text(client, tx)}{format_args(tx.args)}"
    yield f"- mutation: {markdown(called)}{f' ({kind})' if kind else ''}"
    yield f"- outcome: {outcome(tx) or 'executed'}"
    for word, found in (
        ("added", parsed.added), ("removed", parsed.removed), ("touched", parsed.touched)
    ):  # fmt: skip
        if found:
            yield f"- {word}: {markdown(' '.join([names[i] for i in found]))}"
    yield f"- time: {format_time(tx.time)}, machine time {tx.time_sum} (+{tx.gained})"
    yield f"- address: `{MachineUrl(client.id, tx.id)}`"
    for reason in parsed.explanation.reasons if not tx.is_queued else ():
        yield f"- reason: {markdown(reason)}"


def _steps(parsed: Parsed) -> Iterator[str]:
    for number, step in enumerate(parsed.steps, start=1):
        yield f"{number}. {step}"


def _items(children: tuple[Fact, ...], depth: int = 0) -> Iterator[str]:
    for fact in children:
        yield f"{'  ' * depth}- {markdown(fact.text)}"
        yield from _items(fact.children, depth + 1)


# ---------------------------------------------------------------------- log.md


def log_text(session: Session, level: int) -> Iterator[str]:
    """The log around the cursor, in small steps; the last one yields all of it."""
    view = session.selected
    if view is None:
        yield "No machine is selected.\n"
        return
    client, visible = view.client, view.visible
    position = visible.position(view.cursor)
    numbers = visible.numbers[max(position - LOG_BEFORE, 0) : position + LOG_AFTER]
    lines = [f"# Log of {markdown(client.id)}", ""]
    for number in numbers:
        if number < client.first:
            continue
        parsed = session.parser.parse(client, number)
        fold = visible.fold(number)
        told = [] if fold is not None else lines_of(client, parsed, level)
        told += outer_lines(client, number, level)
        mark = "**→** " if number == view.cursor else ""
        if told or mark or fold is not None:
            what = f" … {markdown(str(fold))}" if fold is not None else ""
            lines.append(f"- {mark}{number} {format_time(parsed.tx.time)}{what}")
        lines += [f"  - {markdown(line.text)}" for line in told]
        yield ""
    yield "\n".join([*lines, ""])


# ---------------------------------------------------------------------- clients.txt


def clients_text(session: Session) -> Iterator[str]:
    """All machines at the moment, in small steps; the last one yields all of it."""
    store, moment = session.store, session.shown_moment
    lines = []
    for client, depth in ordered(store):
        told = label(client, moment, depth)
        gone = "" if client.is_connected else " disconnected"
        lines.append(f"{'  ' * depth}{inert(str(told))}{gone}")
        yield ""
    total = f"{len(store)} machines, T:t{store.time_sum_at(moment)}"
    yield "\n".join([*lines, total, ""])
