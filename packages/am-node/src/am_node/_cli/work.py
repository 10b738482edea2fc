"""``am-node work``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from .._client.client import Client
from .codes import DONE
from .options import (
    ENTRY,
    access,
    add_client,
    add_common,
    load_worker,
    log_to_stderr,
    positive,
    supers,
    value,
)
from .output import check_stdout, write_json

if TYPE_CHECKING:
    import argparse

    from .._worker.worker import Worker


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("work", help="have one piece of work done, print its result")
    parser.add_argument("entry", help=ENTRY)
    parser.add_argument("--arg", action="append", default=[], help="name of an arg; repeatable")
    parser.add_argument("--val", action="append", default=[], help="its value: JSON, or text")
    parser.add_argument(
        "--timeout", type=positive(float), default=60.0, help="seconds for the whole"
    )
    add_client(parser)
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Have it done and print the result as JSON."""
    log_to_stderr(options.log, "CLIENT")
    if len(options.arg) != len(options.val):
        raise ValueError("each --arg needs a --val")
    check_stdout()
    args = {name: value(text) for name, text in zip(options.arg, options.val, strict=True)}
    result = trio.run(_ask, load_worker(options.entry), options, args)
    write_json(result)
    return DONE


async def _ask(worker: type[Worker], options: argparse.Namespace, args: dict[str, Any]) -> Any:
    async with Client("cli", worker, supers=supers(options), **access(options)) as client:
        return await client.work_with(args, timeout=options.timeout)
