"""``am-node map``: lines of JSON in, lines of JSON out."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

import trio

from .._client.client import ATTEMPTS
from .._client.discovery import OwnSockets
from .._errors import WorkError
from .._shortcuts.own_pool import checked_workers, open_pool
from .codes import DONE, code_of, complain
from .options import (
    ENTRY,
    access,
    add_client,
    add_common,
    load_worker,
    log_to_stderr,
    positive,
    supers,
)
from .output import check_stdout, write_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Mapping

    from .._worker.worker import Worker

_PIECE = 64 * 1024
_MAX_LINE = 64 * 2**20


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "map",
        help="have work done for each line of JSON, print a line for each",
        description=(
            "Reads JSON objects with the args of the work, one a line, and writes "
            '{"args": ..., "result": ...} or {"args": ..., "error": {"type": ..., "message": ...}} '
            "for each, as they are done. Starts workers of its own unless --supers or --running."
        ),
    )
    parser.add_argument("entry", help=ENTRY)
    parser.add_argument("file", nargs="?", help="file with the lines; default: stdin")
    parser.add_argument("--workers", type=positive(int), help="default: one a processor")
    parser.add_argument(
        "--running", action="store_true", help="use this user's supervisor of that class"
    )
    parser.add_argument("--ordered", action="store_true", help="keep the order of the lines")
    parser.add_argument("--timeout", type=positive(float), help="seconds for one line")
    parser.add_argument("--attempts", type=positive(int), default=ATTEMPTS, help="runs of one line")
    add_client(parser)
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Do the work for each line."""
    log_to_stderr(options.log, "CLIENT")
    check_stdout()
    worker = load_worker(options.entry)
    with ExitStack() as stack:
        if options.file is not None:
            source: BinaryIO = stack.enter_context(open(options.file, "rb"))
        elif sys.stdin is None:
            raise ValueError("stdin is closed: name a file")
        else:
            source = sys.stdin.buffer
        return trio.run(_map, worker, options, _Lines(source))


async def _map(worker: type[Worker], options: argparse.Namespace, lines: _Lines) -> int:
    where: Any = supers(options)
    if options.running and where is None:
        where = OwnSockets(worker.kind_name())
    workers = checked_workers(options.workers)
    worst = DONE
    async with open_pool(
        worker,
        workers=workers if where is None else None,
        supers=where,
        **access(options),
    ) as client:
        results = client.map(
            lines.read(),
            workers=workers,
            ordered=options.ordered,
            timeout=options.timeout,
            attempts=options.attempts,
            return_errors=True,
        )
        async with results:
            async for args, result in results:
                if isinstance(result, Exception):
                    worst = max(worst, code_of(result))
                write_json(_line(args, result))
    if lines.fault:
        # Those before it are done and written.
        complain(lines.fault)
        return code_of(ValueError())
    return worst


def _line(args: Mapping[str, Any], result: Any) -> dict[str, Any]:
    # What a worker sent is data, so an exception is an error of this line, whatever raised it.
    if not isinstance(result, Exception):
        return {"args": args, "result": result}
    if isinstance(result, WorkError):
        error = {"type": result.type_name, "message": result.message}
    else:
        error = {"type": type(result).__name__, "message": str(result)}
    return {"args": args, "error": error}


class _Lines:
    """The inputs; `fault` says what was wrong with the first line that is none."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._number = 0
        self.fault = ""

    async def read(self) -> AsyncGenerator[dict[str, Any], None]:
        """Yield the objects up to the first line that is none; each as soon as it is there."""
        rest = b""
        read = getattr(self._source, "read1", self._source.read)
        while not self.fault:
            # A thread that waits for input ends with the process.
            piece = await trio.to_thread.run_sync(read, _PIECE, abandon_on_cancel=True)
            *lines, rest = (rest + piece).split(b"\n") if piece else [rest, b""]
            for line in lines:
                args = self._args(line)
                if self.fault:
                    return
                if args is not None:
                    yield args
            if len(rest) > _MAX_LINE:
                self.fault = f"line {self._number + 1} is longer than {_MAX_LINE} bytes"
            if not piece:
                return

    def _args(self, line: bytes) -> dict[str, Any] | None:
        self._number += 1
        if not line.strip():
            return None
        try:
            args = json.loads(line)
        except (ValueError, RecursionError) as exc:
            self.fault = f"line {self._number} is no JSON: {exc}"
            return None
        if not isinstance(args, dict):
            self.fault = f"line {self._number} is no JSON object with args of the work"
            return None
        return args
