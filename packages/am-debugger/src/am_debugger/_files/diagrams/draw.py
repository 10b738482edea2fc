"""Pictures as text in three languages, and as files with what an installed program draws of them.

This takes long for large ones, hence it is called where nothing else waits.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import am_helpers as amh
import am_machine as am
from am_telemetry import dbg

from ..._store.versions import compile_sent
from ..atomic import written
from ..inspect import inert
from .request import Answer, Request

if TYPE_CHECKING:
    from ..._derive.pictures import MachineSheet, Picture

FOLDER = "diagrams"
GRAPH_FILE = "graph.md"
_NOTHING = (r"(?!)",)  # matches no name
ENDINGS = (".mmd", ".d2", ".svg")


def draw_all(request: Request) -> Answer:
    """Draw pictures into a folder: of each its Mermaid, its D2, and an SVG if a program for that
    is installed. What cannot be drawn is told; what there was of it before is removed.

    :raises OSError: if the folder cannot be written to.
    """
    base = Path(request.folder)
    folder = base / FOLDER
    names: list[str] = []
    faults: list[str] = []
    for picture in request.pictures:
        if request.has_markdown and picture.kind == "graph":
            lines = _graph(picture).markdown().split("\n")
            write_text(base / GRAPH_FILE, "\n".join(map(inert, lines)))
            names.append(GRAPH_FILE)
        if not picture.detail:
            continue
        folder.mkdir(parents=True, exist_ok=True)
        try:
            names += _draw(picture, folder)
        except (amh.RenderError, ValueError) as exc:
            faults.append(f"{picture.name}: {exc}")
    return Answer(tuple(names), tuple(faults))


def write_text(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all.

    :raises OSError: if it cannot be written.
    """
    with written(path) as file:
        file.write(text.encode(errors="backslashreplace"))


def _draw(picture: Picture, folder: Path) -> list[str]:
    texts = texts_of(picture)
    for ending in ENDINGS[:2]:
        write_text(folder / f"{picture.name}{ending}", texts[ending])
    names = [f"{FOLDER}/{picture.name}{ending}" for ending in ENDINGS[:2]]
    svg = folder / f"{picture.name}.svg"
    source = _drawable(texts)
    if source is None:
        svg.unlink(missing_ok=True)
        return names
    whole = folder / f".{picture.name}.{os.getpid()}.svg"
    try:
        amh.render(source, whole)
        whole.chmod(0o600)  # as the other files
        whole.replace(svg)
    except (amh.RenderError, OSError):
        for path in (whole, svg):
            path.unlink(missing_ok=True)
        raise
    return [*names, f"{FOLDER}/{svg.name}"]


def remove(folder: Path, name: str) -> None:
    """Remove the files of a picture that there is no longer.

    :raises OSError: if one cannot be removed.
    """
    for ending in ENDINGS:
        (folder / FOLDER / f"{name}{ending}").unlink(missing_ok=True)


def texts_of(picture: Picture) -> dict[str, str]:
    """A picture by the ending of its file: `.mmd`, `.d2`, and but for steps `.dot`."""
    if picture.kind == "steps":
        told = _explained(picture)
        return {".mmd": amh.mermaid(told, steps=True), ".d2": amh.d2(told, steps=True)}
    options = _options(picture)
    thing = _graph(picture) if picture.kind == "graph" else _stand_in(picture)
    return {
        ".mmd": amh.mermaid(thing, **options),
        ".d2": amh.d2(thing, **options),
        ".dot": amh.dot(thing, **options),
    }


def _drawable(texts: dict[str, str]) -> str | None:
    """The text that an installed program can draw."""
    for ending, program in ((".dot", "dot"), (".mmd", "mmdc"), (".d2", "d2")):
        if ending in texts and shutil.which(program):
            return texts[ending]
    return None


def _options(picture: Picture) -> dict[str, Any]:
    """What the levels of detail mean."""
    detail = picture.detail
    options: dict[str, Any] = {
        "marks": dict(picture.marks),
        "around": picture.around,
        "distance": picture.distance,
        "groups": picture.has_groups,
        "tags": detail > 2,
        "skip": tuple([f"^{name}$" for name in picture.hidden]),
    }
    if picture.kind == "graph":
        options |= {
            "pipes": "detailed" if detail > 1 and not picture.has_grouped_pipes else "grouped",
            "relations": detail > 2,
            "groups": detail > 2,
        }
        if detail == 1:
            options["only"] = _NOTHING
        elif detail == 2:
            options["exception"] = _has_exception(picture)
    else:
        options |= {"relations": detail > 1 or bool(picture.around), "exception": detail > 2}
        if picture.around == "Exception":
            options["exception"] = True
    return options


def _has_exception(picture: Picture) -> bool:
    """Whether the state of errors is active in any machine."""
    schemas = _schemas(picture)
    places = [(sheet.ticks, schemas[sheet.schema].index["Exception"]) for sheet in picture.machines]
    return any([ticks[i] % 2 for ticks, i in places])


def _schemas(picture: Picture) -> dict[bytes, am.Schema]:
    decoder = dbg.Decoder()
    decoder.trust()
    found = {}
    for data in picture.schemas:
        decoder.feed(data)
        for message in decoder:
            if isinstance(message, dbg.SchemaDef):
                found[message.hash] = compile_sent(message).schema
    return found


# What diagrams ask of a machine, `am.BaseMachine` has; type checkers know it as the protocol of
# all machines, which can be mutated, too.
_StandIn: TypeAlias = Any


def _stand_in(picture: Picture) -> _StandIn:
    sheet = picture.machines[0]
    return _machine(sheet, _schemas(picture)[sheet.schema], None)


def _machine(sheet: MachineSheet, schema: am.Schema, parent: _StandIn) -> _StandIn:
    found = am.BaseMachine(schema, id=sheet.id, parent=parent, tags=sheet.tags)
    found.reset_clock(sheet.ticks)
    return found


def _graph(picture: Picture) -> amh.Graph:
    """Stand-ins for the machines, each after its parent, and what connects them."""
    schemas = _schemas(picture)
    stand_ins: dict[str, _StandIn] = {}
    for sheet in picture.machines:
        schema, ticks = schemas[sheet.schema], sheet.ticks
        if picture.detail == 2:  # only what is active
            names = [name for name, tick in zip(schema, ticks, strict=True) if tick % 2]
            states = {n: am.State(auto=schema[n].auto, multi=schema[n].multi) for n in names}
            schema = am.Schema(states)
            ticks = tuple([int(name in names) for name in schema])
            sheet = _with_ticks(sheet, ticks)
        parent = stand_ins.get(sheet.parent) if sheet.parent is not None else None
        stand_ins[sheet.id] = _machine(sheet, schema, parent)
    graph = amh.Graph.from_machines(*stand_ins.values())
    for sheet in picture.machines:
        for pipe in sheet.pipes:
            ends = [graph.end_of_pipe(sheet.id, pipe.state)]
            ends.append(graph.end_of_pipe(pipe.machine_id, pipe.other_state))
            graph.nx.add_edge(*ends, key=f"pipe:{pipe.kind}")
    # Kept alive as long as the graph, which does not do so itself.
    graph.nx.graph["machines"] = stand_ins
    return graph


def _with_ticks(sheet: MachineSheet, ticks: tuple[int, ...]) -> MachineSheet:
    parts = (sheet.id, sheet.parent, sheet.tags, sheet.schema, ticks, sheet.pipes)
    return type(sheet)(*parts)


def _explained(picture: Picture) -> am.Explanation:
    (schema,) = _schemas(picture).values()
    told = picture.mutation
    assert told is not None
    return schema.explain(
        told.kind,
        told.called,
        told.active,
        handlers=told.handlers,
        vetoed=told.vetoed,
        failed=told.failed,
        is_auto=told.is_auto,
        is_check=told.is_check,
    )
