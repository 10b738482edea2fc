"""`am-dbg export-html`: a moment as a page, to be attached to a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from .._core.reading import LEVELS
from .._files.atomic import file_name
from .._files.page.export import write_page
from .._files.redact import KINDS
from .._files.redacted import redacted_session
from .loading import OK, UsageFault, answered, own_process, redacted_kinds, session_at

if TYPE_CHECKING:
    from .._core.session import Session


def export_html(argv: list[str]) -> int:
    """`am-dbg export-html DUMP MACH_URL [--redact KINDS] [--log-level N] [-o FILE]`."""
    parser = argparse.ArgumentParser(
        prog="am-dbg export-html",
        description="Write one web page of a moment, to be attached to a report: machines, states, "
        "log, causes, diagrams. It needs no network, and where scripts are on it steps through the "
        "moments around.",
    )
    parser.add_argument("dump", metavar="DUMP")
    parser.add_argument("url", metavar="MACH_URL", help="the moment; ?state=Foo asks why of Foo")
    parser.add_argument("--redact", metavar="KINDS", help=f"leave out some of {','.join(KINDS)}")
    parser.add_argument(
        "--log-level", type=int, choices=range(len(LEVELS)), default=2, metavar="0-5",
        help="lines of the log up to this level (default: 2)",
    )  # fmt: skip
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: MACHINE-TX.html")
    options = parser.parse_args(argv)
    return answered(lambda: _export(options))


def _export(options: argparse.Namespace) -> int:
    kinds = redacted_kinds(options.redact)
    session = session_at(options.dump, options.url)
    session.log_level = options.log_level
    session = redacted_session(session, kinds, own_process())
    path = options.out or Path(_name(session))
    if path.exists() and path.samefile(options.dump):
        raise UsageFault("the page does not replace the dump: give --out")
    size = write_page(session, path, [kind for kind in KINDS if kind in kinds])
    print(f"{path}: {size} bytes")
    return OK


def _name(session: Session) -> str:
    view = session.selected
    assert view is not None
    return f"{file_name(view.client.id)}-{max(view.cursor, 0)}.html"
