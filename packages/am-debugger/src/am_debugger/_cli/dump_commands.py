"""Commands that make something else of a dump: pictures of a moment, and smaller dumps."""

from __future__ import annotations

import argparse
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from .._core.session import Session
from .._derive.url import parse_time
from .._files.dump_writer import Span, write_dump
from .._files.inspect import inert
from .._files.redact import KINDS, Redaction
from .._store.layout import MOST
from .loading import (
    FAILED,
    OK,
    UsageFault,
    answered,
    load,
    own_process,
    place_of,
    redacted_kinds,
    session_at,
)

if TYPE_CHECKING:
    from .._derive.pictures import Picture
    from .._store.client import Client
    from .._store.store import Store


# ---------------------------------------------------------------------- render


def render(argv: list[str]) -> int:
    """`am-dbg render DUMP URL [--bird | --map | --machine]`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg render",
        description="Draw diagrams of a moment: graph, machine, steps, and the URL's state.",
    )
    parser.add_argument("dump", metavar="DUMP")
    parser.add_argument("url", metavar="MACH_URL", help="the moment, and whose")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--bird", action="store_true", help="what is two pipes or connections away")
    what.add_argument("--map", action="store_true", help="all machines, without states")
    what.add_argument("--machine", action="store_true", help="the states of the machine")
    parser.add_argument("--detail", type=int, choices=(1, 2, 3), default=2)
    parser.add_argument("-d", "--dir", type=Path, default=Path(), metavar="DIR")
    options = parser.parse_args(argv)
    return answered(lambda: _render(options))


def _render(options: argparse.Namespace) -> int:
    # Not needed by other commands, and large.
    from .._files.diagrams.draw import draw_all
    from .._files.diagrams.request import Request

    session = session_at(options.dump, options.url)
    answer = draw_all(Request(str(options.dir), tuple(_pictures(session, options))))
    for name in answer.written:
        print(options.dir / name)
    for fault in answer.faults:
        print(f"am-dbg: {inert(fault)}", file=sys.stderr)
    return FAILED if answer.faults else OK


def _pictures(session: Session, options: argparse.Namespace) -> list[Picture]:
    from .._derive.pictures import (
        Look,
        graph_picture,
        machine_picture,
        state_picture,
        steps_picture,
    )

    view, store = session.selected, session.store
    assert view is not None
    look = Look(options.detail)
    found = (store, view.client, view.cursor, session.current, look)
    moment = session.moment
    graphs = []
    if options.bird:
        graphs = [graph_picture(store, moment, look, around=view.client, name="bird")]
    elif options.map:
        graphs = [graph_picture(store, moment, Look(1), name="map")]
    elif not options.machine:
        graphs = [graph_picture(store, moment, look)]
    made: list[Picture | None] = [list(steps)[-1] for steps in graphs]
    if not (options.bird or options.map):
        made.append(machine_picture(*found))
    if not (options.bird or options.map or options.machine):
        made.append(state_picture(*found, view.state) if view.state else None)
        current = session.current
        made.append(steps_picture(view.client, current) if current is not None else None)
    return [picture for picture in made if picture is not None]


# ---------------------------------------------------------------------- cut


def cut(argv: list[str]) -> int:
    """`am-dbg cut DUMP [--from T] [--to T] [--machines IDS] [--redact KINDS]`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg cut",
        description="Write a part of a dump: a stretch of time, some machines, or without what is "
        "nobody else's business. Times are as in 2026-01-31T12:00:00Z, or a MACH_URL.",
    )
    parser.add_argument("dump", metavar="DUMP")
    parser.add_argument("--from", dest="since", metavar="TIME", help="leave out what came before")
    parser.add_argument("--to", dest="until", metavar="TIME", help="leave out what came after")
    parser.add_argument(
        "--machines", metavar="IDS", help="only these: ids with * and ?, separated by commas"
    )
    parser.add_argument("--redact", metavar="KINDS", help=f"leave out some of {','.join(KINDS)}")
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: DUMP with -cut")
    options = parser.parse_args(argv)
    return answered(lambda: _cut(options))


def _cut(options: argparse.Namespace) -> int:
    store = load(options.dump)
    kinds = redacted_kinds(options.redact)
    clients = _chosen(store, options.machines)
    session = Session(store)
    since = 0 if options.since is None else _time(session, options.since)
    until = MOST if options.until is None else _time(session, options.until)
    if since > until:
        raise UsageFault("--from comes after --to")
    path = options.out or _cut_name(Path(options.dump))
    if path.exists() and path.samefile(options.dump):
        raise UsageFault("the part of a dump does not replace it: give --out")
    is_cut = options.since is not None or options.until is not None
    *_, done = write_dump(
        store,
        path,
        own_process(),
        clients=clients,
        span=Span(since, until) if is_cut else None,
        change=Redaction(store, kinds) if kinds else None,
    )
    print(f"{path}: {len(clients)} machines, {done.entries} transitions")
    return OK


def _chosen(store: Store, machines: str | None) -> list[Client]:
    if machines is None:
        return list(store)
    patterns = [pattern for pattern in machines.split(",") if pattern]
    found = [
        client for client in store if any([fnmatchcase(client.id, pattern) for pattern in patterns])
    ]
    if not found:
        raise UsageFault(f"there is no machine {machines}")
    return found


def _time(session: Session, text: str) -> int:
    """A time, or that of a place."""
    if text.lower().startswith("mach://"):
        session.go(place_of(session, text))
        return session.moment
    try:
        return parse_time(text)
    except ValueError as exc:
        raise UsageFault(f"{text!r:.50} is {exc}") from exc


def _cut_name(path: Path) -> Path:
    """`run.amdbg.gz` becomes `run-cut.amdbg.gz`."""
    stem, dot, rest = path.name.partition(".")
    return path.with_name(f"{stem}-cut{dot}{rest}")
