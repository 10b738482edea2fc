"""``am-node status`` and ``am-node drain``: asking supervisors themselves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import trio

from .._client.client import Client
from .._client.discovery import own_sockets
from .._errors import NodeError
from .._escape import printable
from .codes import DONE, UNREACHED, USAGE, complain
from .options import access, add_client, add_common, addresses, log_to_stderr, positive
from .output import check_stdout, write, write_json

if TYPE_CHECKING:
    import argparse

    from .._status import PoolStatus, WorkerInfo

_COLUMNS = ("worker", "state", "pid", "client", "tasks", "errors", "age")


def add(commands: Any) -> None:
    """Add both commands."""
    status = commands.add_parser("status", help="show supervisors and their workers")
    status.add_argument("--json", action="store_true", help="one JSON object a supervisor")
    drain = commands.add_parser(
        "drain",
        help="end supervisors gently",
        description=(
            "New work goes elsewhere, running work gets its time, then the workers end and the "
            "supervisor with exit code 0; this command does not wait for that. A supervisor on a "
            "port has to name the key in its drain_keys."
        ),
    )
    for parser, run in ((status, run_status), (drain, run_drain)):
        parser.add_argument("--kind", default="", help="only this user's supervisors of a class")
        parser.add_argument(
            "--timeout", type=positive(float), default=5.0, help="seconds for an answer"
        )
        add_client(parser)
        add_common(parser)
        parser.set_defaults(run=run)


def run_status(options: argparse.Namespace) -> int:
    """Show each supervisor."""
    log_to_stderr(options.log, "CLIENT")
    check_stdout()
    return _each(options, _show)


def run_drain(options: argparse.Namespace) -> int:
    """Drain each supervisor."""
    log_to_stderr(options.log, "CLIENT")
    return _each(options, _drain)


def _each(options: argparse.Namespace, ask: Any) -> int:
    """Ask one supervisor after the other; those that fail are told, and the others asked."""
    how = access(options)
    found = addresses(options)
    if found is None:
        found = sorted(own_sockets(options.kind))
        if not found:
            which = f" of {options.kind}" if options.kind else ""
            complain(f"no supervisor{which} of this user runs here: name some with --supers")
            return UNREACHED
    worst = DONE
    for addr in found:
        try:
            trio.run(ask, addr, how, options)
        except ValueError as exc:
            complain(f"{addr}: {exc}")
            worst = max(worst, USAGE)
        except NodeError as exc:
            if getattr(exc, "quiet", None) is not None:
                raise
            complain(f"{addr}: {exc}")
            worst = max(worst, UNREACHED)
    return worst


async def _show(addr: str, how: dict[str, Any], options: argparse.Namespace) -> None:
    async with Client("cli", supers=[addr], **how) as client:
        status = await client.status(options.timeout)
    if options.json:
        write_json(dataclasses.asdict(status))
    else:
        write(table(status))


async def _drain(addr: str, how: dict[str, Any], options: argparse.Namespace) -> None:
    async with Client("cli", supers=[addr], **how) as client:
        await client.drain(options.timeout)


def table(status: PoolStatus) -> str:
    """A supervisor and its workers as text; nothing in it is a command to a terminal."""
    head = (
        f"{status.id} at {status.addr}: {_said(status)}, "
        f"{len(status.workers)} workers (min {status.min}, max {status.max}, warm {status.warm}), "
        f"{status.forks} forks, {status.restarts} restarts"
    )
    rows = [_COLUMNS]
    rows += [
        (
            worker.id,
            _doing(worker),
            "-" if worker.pid is None else str(worker.pid),
            worker.client or "-",
            str(worker.tasks),
            str(worker.errors),
            f"{worker.age:.0f} s",
        )
        for worker in status.workers
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_COLUMNS))]
    lines = [
        "  "
        + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    errors = [f"  error: {status.error}"] if status.error else []
    return "\n".join(printable(line) for line in (head, *errors, *(lines if rows[1:] else [])))


def _doing(worker: WorkerInfo) -> str:
    if worker.pending:
        return f"waits: {worker.pending}"
    return worker.work_status or (worker.states[0] if worker.states else "-")


def _said(status: PoolStatus) -> str:
    for state in ("Draining", "CrashLoop", "ErrPool", "PoolReady", "PoolStarting"):
        if state in status.states:
            return state
    return "starting"
