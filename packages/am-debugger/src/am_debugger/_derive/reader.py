"""Facts about a transition, as a tree of texts; some name a place to go to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from . import causes
from .log_lines import format_args
from .text import format_clock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from am_telemetry.dbg import PendingDef, PipeDef

    from .._store.client import Client, Pending
    from .._store.store import Store
    from .._store.tx import Tx
    from .steps import Parsed

# Entries of one section that are listed.
MOST_LISTED = 50
ASK = "AskPending"
_MILLISECOND, _SECOND = 1000, 1_000_000


class Jump(NamedTuple):
    """A place that a fact names: a machine, and a transition of it if one is meant."""

    client: Client
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """One node: its text, where it leads, its full text if that is longer, and what is below."""

    text: str
    jump: Jump | None = None
    full: str = ""
    children: tuple[Fact, ...] = field(default=())
    state: str = ""
    """What choosing it asks the debugger for."""
    about: str = ""
    """A state of the machine that it leads to, which is selected there."""


def facts(store: Store, client: Client, parsed: Parsed, *, can_ask: bool = False) -> list[Fact]:
    """The sections of a transition, those that are empty left out. `can_ask`: the machine can be
    asked what it waits for.

    :raises IndexError: if the transition is not kept.
    """
    tx = parsed.tx
    version = client.version_at(tx.number)
    note = client.notes.get(tx.number)
    sections = [
        Fact("Note", children=(Fact(note, full=note),) if note else ()),
        Fact("Arguments", children=_arguments(tx.args)),
        Fact("Source", children=_source(store, client, tx)),
        Fact("State trace", children=_state_trace(store, client, tx.number)),
        Fact("Queue", children=_queue(client, tx)),
        Fact("Executed", children=_executed(parsed)),
        Fact("Forked", children=_places(store, causes.forks(store, client, tx.number))),
        Fact("Siblings", children=_places(store, causes.siblings(store, client, tx.number))),
        Fact("Pending", children=_pending(client.pending, can_ask=can_ask)),
        Fact("Waiting in the queue", children=_waiting(store, client, tx)),
        Fact("Pipe-in", children=_pipes(store, client, version.pipes, "in")),
        Fact("Pipe-out", children=_pipes(store, client, version.pipes, "out")),
    ]
    return [section for section in sections if section.children]


def called_text(client: Client, tx: Tx) -> str:
    """A mutation in short: `add Foo Bar`."""
    names = client.version_at(tx.number).names
    return f"{tx.kind} {' '.join([names[i] for i in tx.called])}"


def _arguments(args: Mapping[str, Any]) -> tuple[Fact, ...]:
    return tuple([Fact(f"{key}: {args[key]}", full=str(args[key])) for key in sorted(args)])


def _source(store: Store, client: Client, tx: Tx) -> tuple[Fact, ...]:
    stack = tuple([Fact(frame, full=frame) for frame in tx.stack])
    below = (Fact("Stack", children=stack),) if stack else ()
    if tx.source is None:
        return (Fact("auto" if tx.is_auto else "unknown"), *below)
    place = store.find_source(client, tx.source)
    if place is None:
        machine, ident = tx.source.machine_id, tx.source.id.hex()
        others = store.named(machine)
        jump = Jump(others[0]) if others else None
        return (Fact(f"{machine}/{ident} (not kept)", jump), *below)
    owner, number = place
    who = "self" if owner is client else owner.id
    if tx.is_auto and owner is client:
        who = "auto"
    return (Fact(f"{who}/{number} {_called(store, place)}", Jump(owner, number)), *below)


def _state_trace(store: Store, client: Client, number: int) -> tuple[Fact, ...]:
    hops = causes.state_trace(store, client, number)
    if len(hops) < 2:
        return ()
    told = []
    for hop in hops:
        if hop.client is None or hop.number is None:
            told.append(Fact(f"{hop.machine_id}/{hop.id.hex()} (not kept)"))
            continue
        text = f"{hop.client.id}/{hop.number} {_called(store, (hop.client, hop.number))}"
        told.append(Fact(text, Jump(hop.client, hop.number)))
    return tuple(told)


def _queue(client: Client, tx: Tx) -> tuple[Fact, ...]:
    told = []
    if tx.is_queued:
        told.append(Fact(f"queued for tick {tx.queue_tick}" if tx.queue_tick else "prepended"))
        executed = client.executed_by(tx.number)
        if executed is not None:
            told.append(Fact(f"executed at {executed}", Jump(client, executed)))
    else:
        told.append(Fact(f"tick {tx.queue_tick}" if tx.queue_tick else "prepended"))
        queued = client.queued_at(tx.number)
        if queued is not None:
            told.append(Fact(f"queued at {queued}", Jump(client, queued)))
    return tuple(told)


def _executed(parsed: Parsed) -> tuple[Fact, ...]:
    tx = parsed.tx
    if tx.is_queued:
        return ()
    if tx.runs:
        return tuple([Fact(_run(name, took)) for name, took in tx.runs])
    told = []
    vetoed = set(parsed.explanation.vetoed)
    for name in parsed.explanation.handlers:
        if name == parsed.explanation.failed:
            told.append(Fact(f"{name} raised"))
            break
        told.append(Fact(f"{name} voted against it" if name in vetoed else name))
        if name in vetoed:
            break
    return tuple(told)


def _run(name: str, took: int) -> str:
    return f"{name} {took / _MILLISECOND:.3f} ms"


def _places(store: Store, places: Sequence[tuple[Client, int]]) -> tuple[Fact, ...]:
    told = [
        Fact(f"{owner.id}/{number} {_called(store, (owner, number))}", Jump(owner, number))
        for owner, number in places[:MOST_LISTED]
    ]
    if len(places) > MOST_LISTED:
        told.append(Fact(f"… and {len(places) - MOST_LISTED} more"))
    return tuple(told)


def _called(store: Store, place: tuple[Client, int]) -> str:
    client, number = place
    return called_text(client, store.tx(client, number))


def _pending(pending: Pending | None, *, can_ask: bool) -> tuple[Fact, ...]:
    if pending is None:
        return (Fact("ask the machine", state=ASK),) if can_ask else ()
    told = [Fact(_pending_text(item)) for item in pending.items[:MOST_LISTED]] or [Fact("nothing")]
    if len(pending.items) > MOST_LISTED:
        told.append(Fact(f"… and {len(pending.items) - MOST_LISTED} more"))
    again = (Fact("ask again", state=ASK),) if can_ask else ()
    return (Fact(f"as of {format_clock(pending.time)}"), *told, *again)


def _pending_text(item: PendingDef) -> str:
    age = "" if item.age is None else f", {item.age / _SECOND:.1f} s"
    states = f" {' '.join(item.states)}" if item.states else ""
    label = f" ({item.label})" if item.label else ""
    return f"{item.kind}{states}{label}{age}"


def _waiting(store: Store, client: Client, tx: Tx) -> tuple[Fact, ...]:
    if not tx.queue_length:
        return ()
    waiting = causes.queue_before(client, store, tx.number, MOST_LISTED)
    told = [Fact(f"{tx.queue_length} mutations" if tx.queue_length > 1 else "1 mutation")]
    for number in waiting:
        queued = store.tx(client, number)
        text = f"{number} {called_text(client, queued)}{format_args(queued.args)}"
        told.append(Fact(text, Jump(client, number)))
    return tuple(told)


def _pipes(
    store: Store, client: Client, pipes: Sequence[PipeDef], direction: str
) -> tuple[Fact, ...]:
    told = []
    for pipe in pipes:
        if pipe.direction == direction:
            other = store.in_process(client.process.id, pipe.machine_id)
            word = "to" if direction == "out" else "from"
            text = f"{pipe.kind} {pipe.state} {word} {pipe.machine_id}"
            told.append(Fact(text, Jump(other) if other is not None else None))
    return tuple(told)
