"""What a diagram shows, as plain values: machines at a moment, states of one, steps.

Here it is gathered from the store; drawing it is another matter, since layout takes long.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from am_telemetry import dbg

from .moment import ordered

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .._store.client import Client
    from .._store.store import Store
    from .._store.versions import Version
    from .steps import Parsed

FOCUSES = ("", "called", "mutated", "touched", "relations")
"""Which states of a transition stand out, the others being dimmed; empty: none are."""
LEVELS = (0, 1, 2, 3)
"""Of detail: none, the coarsest, and more."""
_BIRD_DISTANCE = 2
_STATE_DISTANCE = 2
_RELATIONS = ("require", "add", "remove", "after")


@dataclass(frozen=True, slots=True)
class PipeSheet:
    """A pipe: from a state of one machine to a state of another; the latter may be unknown."""

    kind: str
    state: str
    machine_id: str
    other_state: str


@dataclass(frozen=True, slots=True)
class MachineSheet:
    """A machine at a moment; `schema` is the hash of its schema."""

    id: str
    parent: str | None
    tags: tuple[str, ...]
    schema: bytes
    ticks: tuple[int, ...]
    pipes: tuple[PipeSheet, ...] = ()


@dataclass(frozen=True, slots=True)
class Mutation:
    """A mutation to be explained again: the arguments of `Schema.explain`."""

    kind: str
    called: tuple[str, ...]
    active: tuple[str, ...]
    handlers: tuple[str, ...]
    vetoed: tuple[str, ...]
    failed: str | None
    is_auto: bool
    is_check: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """One diagram. `name` is that of its files; what it shows is a graph, states or steps."""

    name: str
    kind: str
    """graph, states or steps"""
    machines: tuple[MachineSheet, ...]
    schemas: tuple[bytes, ...]
    """Messages with the schemas that machines have."""
    detail: int = 1
    marks: tuple[tuple[str, str], ...] = ()
    hidden: tuple[str, ...] = ()
    """States that are left out."""
    has_groups: bool = True
    around: str = ""
    """A state, or in a graph a machine, to look around."""
    distance: int = 0
    has_grouped_pipes: bool = False
    """Pipes of a graph are counted between machines, whatever the detail."""
    mutation: Mutation | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What the user wants to see: detail from 1 to 3, one of `FOCUSES`, and what becomes of the
    chosen group: `hide` leaves its states out, `skip` only its frame."""

    detail: int = 1
    focus: str = ""
    group: str = ""
    group_rule: str = ""


# ---------------------------------------------------------------------- graph


def graph_picture(
    store: Store,
    moment: int,
    look: Look,
    *,
    chosen: Iterable[Client] | None = None,
    around: Client | None = None,
    name: str = "graph",
) -> Iterator[Picture | None]:
    """Gather machines at a moment (microseconds since 1970) in small steps; the last one yields
    the picture. Machines that are gone then, or come later, are dimmed.

    Around a machine only what is two pipes or connections away is shown.
    """
    wanted = None if chosen is None else {client.serial for client in chosen}
    sheets: list[MachineSheet] = []
    schemas: dict[bytes, bytes] = {}
    marks: dict[str, str] = {}
    for client, _ in ordered(store):
        if wanted is not None and client.serial not in wanted:
            continue
        number = client.last_until(moment)
        version = client.version_at(max(number, client.first))
        sheets.append(_sheet(store, client, version, number))
        sent = version.schema.sent
        if sent.hash not in schemas:
            schemas[sent.hash] = dbg.encode(sent)
        is_gone = client.gone_at is not None and client.gone_at <= moment
        if is_gone or (number < client.first <= client.last):
            marks[client.id] = "dimmed"
        yield None
    yield Picture(
        name,
        "graph",
        tuple(sheets),
        tuple(schemas.values()),
        look.detail,
        tuple(marks.items()),
        around=around.id if around is not None else "",
        distance=_BIRD_DISTANCE if around is not None else 0,
        has_grouped_pipes=around is not None,
    )


def _sheet(
    store: Store, client: Client, version: Version, number: int, *, is_alone: bool = False
) -> MachineSheet:
    parent = None if is_alone else store.parent_of(client)
    return MachineSheet(
        client.id,
        None if parent is None else parent.id,
        client.tags,
        version.schema.sent.hash,
        tuple(client.columns.clocks.after(number, len(version.names))),
        () if is_alone else tuple(_pipes_out(store, client, version)),
    )


def _pipes_out(store: Store, client: Client, version: Version) -> Iterator[PipeSheet]:
    """The k-th pipe out to a machine is the k-th that it has in from this one."""
    counts: dict[str, int] = {}
    for pipe in version.pipes:
        if pipe.direction != "out":
            continue
        other = store.in_process(client.process.id, pipe.machine_id)
        ends: Sequence[str] = ()
        if other is not None:
            inward = [p for p in other.version.pipes if p.direction == "in"]
            ends = [p.state for p in inward if p.machine_id == client.machine_id]
        k = counts[pipe.machine_id] = counts.get(pipe.machine_id, -1) + 1
        known = other.id if other is not None else pipe.machine_id
        yield PipeSheet(pipe.kind, pipe.state, known, ends[k] if k < len(ends) else "")


# ---------------------------------------------------------------------- states


def machine_picture(
    store: Store, client: Client, number: int, parsed: Parsed | None, look: Look
) -> Picture:
    """The states of a machine after a transition, with what that did to them."""
    version = client.version_at(max(number, client.first))
    marks = _marks(version, parsed, look)
    return _states("machine", store, client, number, version, look, marks)


def state_picture(
    store: Store, client: Client, number: int, parsed: Parsed | None, look: Look, state: str
) -> Picture | None:
    """A state and its neighbours, two relations far; None if there is no such state then."""
    version = client.version_at(max(number, client.first))
    if state not in version.schema.schema.index:
        return None
    marks = _marks(version, parsed, look)
    return _states("state", store, client, number, version, look, marks, state)


def _states(
    name: str,
    store: Store,
    client: Client,
    number: int,
    version: Version,
    look: Look,
    marks: dict[str, str],
    around: str = "",
) -> Picture:
    members = version.schema.schema.groups.get(look.group, ())
    return Picture(
        name,
        "states",
        (_sheet(store, client, version, number, is_alone=True),),
        (dbg.encode(version.schema.sent),),
        look.detail,
        tuple(marks.items()),
        hidden=tuple(members) if look.group_rule == "hide" else (),
        has_groups=look.group_rule != "skip",
        around=around,
        distance=_STATE_DISTANCE if around else 0,
    )


def _marks(version: Version, parsed: Parsed | None, look: Look) -> dict[str, str]:
    """What a transition did to states, the strongest mark of each; dimmed is what does not
    stand out."""
    if parsed is None:
        return {}
    names = version.names
    marks = {}
    for mark, found in (
        ("touched", parsed.touched),
        ("called", parsed.tx.called),
        ("added", parsed.added),
        ("removed", parsed.removed),
    ):
        marks.update({names[i]: mark for i in found})
    if look.focus:
        shown = _focused(version, parsed, look.focus)
        marks = {name: mark for name, mark in marks.items() if name in shown}
        marks |= {name: "dimmed" for name in names if name not in shown}
    return marks


def _focused(version: Version, parsed: Parsed, focus: str) -> set[str]:
    """The states that stand out."""
    names, schema = version.names, version.schema.schema
    numbers = {
        "called": parsed.tx.called,
        "mutated": (*parsed.added, *parsed.removed),
    }.get(focus, parsed.touched)
    shown = {names[i] for i in numbers}
    if focus == "relations":
        related = set()
        for name in names:
            others = {other for kind in _RELATIONS for other in getattr(schema[name], kind)}
            if name in shown:
                related |= others
            elif others & shown:
                related.add(name)
        shown |= related
    return shown


# ---------------------------------------------------------------------- steps


def steps_picture(client: Client, parsed: Parsed) -> Picture | None:
    """The steps of a transition as a sequence; None if it has none, since it was only queued."""
    if not parsed.steps:
        return None
    version = client.version_at(parsed.tx.number)
    told = parsed.explanation
    mutation = Mutation(
        told.kind,
        tuple(map(str, told.called)),
        tuple(map(str, told.before)),
        version.handlers,
        tuple(told.vetoed),
        told.failed,
        told.is_auto,
        told.is_check,
    )
    schema = dbg.encode(version.schema.sent)
    return Picture("steps", "steps", (), (schema,), mutation=mutation)
