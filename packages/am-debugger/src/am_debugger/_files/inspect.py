"""A dump as text, for terminals and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._derive.folds import quiet_runs
from .._derive.log_lines import format_args
from .._derive.moment import ordered
from .._derive.reader import called_text
from .._derive.steps import Parser
from .._derive.text import format_clock as format_clock
from .._derive.text import inert as inert
from .._derive.url import MachineUrl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._derive.query import Query
    from .._store.client import Client
    from .._store.store import Store
    from .._store.tx import Tx


def summary(store: Store) -> Iterator[str]:
    """One line a machine, as a tree, and one with the totals."""
    for client, depth in ordered(store):
        yield _machine_line(client, depth)
    errors = sum([len(client.errors) for client in store])
    lost = sum([client.lost for client in store])
    told = [f"{len(store)} machines", f"{store.transitions} transitions", f"{errors} errors"]
    if lost:
        told.append(f"{lost} lost")
    yield ", ".join(told)


def _machine_line(client: Client, depth: int) -> str:
    names = client.version.names
    active = [name for name, tick in zip(names, client.columns.ticks, strict=True) if tick % 2]
    told = [f"{'  ' * depth}{inert(client.id)}", f"{len(client.columns)} transitions"]
    if len(client.columns):
        shown = client.columns.times.shown
        told.append(f"{format_clock(shown[0])} to {format_clock(shown[-1])}")
    if client.errors:
        told.append(f"{len(client.errors)} errors, the last in {client.errors[-1]}")
    if client.lost:
        told.append(f"{client.lost} lost")
    if client.gone_at is not None:
        told.append("disposed")
    return f"{': '.join(told[:2])}{''.join([', ' + one for one in told[2:]])} ({' '.join(active)})"


def matches(store: Store, query: Query, *, unfold: bool = False) -> Iterator[str]:
    """The transitions that a query means, by machine, a line each; then a count a machine. Quiet
    ones that follow each other are one line with their count, unless they are unfolded."""
    parser = Parser(store)
    counts: list[tuple[str, int]] = []
    for client, _ in ordered(store):
        count = 0
        for found in query.find(client):
            count += len(found)
            runs = [[number] for number in found] if unfold else quiet_runs(client, found)
            for run in runs:
                line = transition_line(parser, client, run[-1])
                yield line if len(run) == 1 else f"{line} (the last of {len(run)} quiet ones)"
        if count:
            counts.append((client.id, count))
    total = sum([count for _, count in counts])
    yield f"{total} found" + "".join([f", {inert(id)} {count}" for id, count in counts])


def transition_line(parser: Parser, client: Client, number: int) -> str:
    """A transition in one line: when, where, what it did, and its address."""
    tx = parser.parse(client, number).tx
    where = f"{format_clock(tx.time)} {inert(client.id)}/{number}"
    address = inert(str(MachineUrl(client.id, tx.id)))
    return f"{where} {what_happened(parser, client, number)} {address}"


def what_happened(parser: Parser, client: Client, number: int) -> str:
    """What a transition did, in one line."""
    parsed = parser.parse(client, number)
    tx = parsed.tx
    names = client.version_at(number).names
    moved = [f"+{names[i]}" for i in parsed.added] + [f"-{names[i]}" for i in parsed.removed]
    called = f"[{called_text(client, tx)}{inert(format_args(tx.args))}]"
    return " ".join([one for one in (called, outcome(tx), *moved) if one])


def outcome(tx: Tx) -> str:
    """What became of a transition in a word; empty if it was executed."""
    if tx.is_queued:
        return "queued"
    if tx.has_error:
        return "failed"
    return "" if tx.is_accepted else "canceled"
