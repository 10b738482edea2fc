"""The command line: ``am-node supervisor | work | worker``.

Exit codes of ``work``: 0 done, 1 the work failed, 2 usage, 3 no supervisor or worker, 4 time-out.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import trio

from .._client.client import Client
from .._entry import load_entry_point
from .._errors import EntryPointError, NodeError, NoWorkers, SupervisorLost, WorkError, WorkTimeout
from .._escape import printable
from .._log import log_level, show_machines
from .._settings import Pool, Rlimits, Timing
from .._supervisor.serve import serve
from .._supervisor.supervisor import Supervisor
from .._tls import Tls
from .._worker.main import run_worker
from .._worker.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE, FAILED, USAGE, UNREACHED, LATE = 0, 1, 2, 3, 4
_MAX_SECRET = 4096
_POOL = Pool()
_TIMING = Timing()


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    if arguments == ["worker"]:
        run_worker()
    options = _parser().parse_args(arguments)
    try:
        _search(getattr(options, "path", None) or [os.getcwd()])
        sys.exit(options.run(options))
    except (NodeError, ValueError, OSError) as exc:
        _complain(str(exc))
        sys.exit(USAGE if isinstance(exc, (EntryPointError, ValueError)) else UNREACHED)
    except KeyboardInterrupt:
        sys.exit(130)


def _search(folders: Sequence[str]) -> None:
    """Look for the user's module in these, after all others: a file there replaces no module."""
    own = {"", os.getcwd()}
    # `python -m` has put the current folder in front.
    sys.path[:] = [entry for entry in sys.path if entry not in own]
    sys.path += [os.path.abspath(folder) for folder in folders]


def _complain(text: str) -> None:
    print(f"am-node: {printable(text)}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="am-node", description="Supervised worker pools.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_supervisor(commands)
    _add_work(commands)
    worker = commands.add_parser("worker", help="be a worker; only a supervisor starts this")
    worker.set_defaults(run=lambda options: run_worker())
    return parser


def _add_supervisor(commands: Any) -> None:
    parser = commands.add_parser("supervisor", help="supervise a pool of workers")
    parser.add_argument("entry", help="the worker class: module:Class or path/to/file.py:Class")
    parser.add_argument("--addr", default="127.0.0.1:7000", help="address for clients")
    parser.add_argument("--workers", type=int, help="keep exactly so many workers")
    parser.add_argument("--min", type=int, help=f"ready workers at least ({_POOL.min})")
    parser.add_argument("--max", type=int, help=f"processes at most ({_POOL.max})")
    parser.add_argument("--warm", type=int, help=f"idle workers beyond need ({_POOL.warm})")
    parser.add_argument("--memory", type=int, metavar="MIB", help="address space of a worker")
    parser.add_argument("--files", type=int, metavar="N", help="open descriptors of a worker")
    parser.add_argument("--cpu", type=int, metavar="SECONDS", help="processor time of a worker")
    parser.add_argument(
        "--conn-timeout",
        type=float,
        default=_TIMING.conn_timeout,
        help="seconds for a worker to report; more where importing its class takes long",
    )
    parser.add_argument("--tls-cert", help="PEM file with the pool's certificate, for every link")
    parser.add_argument("--tls-key", help="PEM file with its key, if that is in a file of its own")
    parser.add_argument("--insecure", action="store_true", help="allow other hosts unprotected")
    _add_common(parser)
    parser.set_defaults(run=_supervise)


def _add_work(commands: Any) -> None:
    parser = commands.add_parser("work", help="have one piece of work done, print its result")
    parser.add_argument("entry", help="the worker class, as for the supervisor")
    parser.add_argument("--supers", required=True, help="addresses, separated by commas")
    parser.add_argument("--arg", action="append", default=[], help="name of an arg; repeatable")
    parser.add_argument("--val", action="append", default=[], help="its value: JSON, or text")
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds for the whole")
    parser.add_argument("--tls-ca", help="PEM file with the certificates to trust")
    _add_common(parser)
    parser.set_defaults(run=_work)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--path",
        action="append",
        default=[],
        help="folder in which to look for the class, after all others; the current one if none",
    )
    parser.add_argument("--secret-file", help="file with the secret shared by both sides")
    parser.add_argument("--log", default="WARNING", help="level of the log on stderr")


# -- commands


def _supervise(options: argparse.Namespace) -> int:
    _log_to_stderr(options.log, "SUPERVISOR")
    supervisor = Supervisor(
        options.entry,
        addr=options.addr,
        pool=_pool(options),
        rlimits=Rlimits(
            memory=None if options.memory is None else options.memory * 2**20,
            files=options.files,
            cpu=options.cpu,
        ),
        secret=_secret(options.secret_file),
        timing=Timing(conn_timeout=options.conn_timeout),
        tls=_tls(options),
        insecure=options.insecure,
    )
    return trio.run(_announce_and_serve, supervisor)


def _pool(options: argparse.Namespace) -> Pool:
    given = {name: getattr(options, name) for name in ("min", "max", "warm")}
    figures = {name: value for name, value in given.items() if value is not None}
    if options.workers is None:
        return Pool(**figures)
    if figures:
        raise ValueError(f"--workers says it all: leave out --{', --'.join(figures)}")
    return Pool(options.workers, options.workers, 0)


async def _announce_and_serve(supervisor: Supervisor) -> int:
    code = 0
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[str]) -> None:
            nonlocal code
            code = await serve(supervisor, task_status)

        addr = await nursery.start(run)
        print(f"{supervisor.mach.id} listens on {addr}", flush=True)
    return code


def _work(options: argparse.Namespace) -> int:
    _log_to_stderr(options.log, "CLIENT")
    if len(options.arg) != len(options.val):
        _complain("each --arg needs a --val")
        return USAGE
    worker = load_entry_point(options.entry)
    if not issubclass(worker, Worker):
        raise EntryPointError(f"{options.entry} is not a subclass of am_node.Worker")
    args = {name: _value(text) for name, text in zip(options.arg, options.val, strict=True)}
    try:
        result = trio.run(_ask, worker, options, args)
    except WorkError as exc:
        _complain(f"the work failed: {exc}")
        return FAILED
    except WorkTimeout as exc:
        _complain(str(exc))
        return LATE
    except (NoWorkers, SupervisorLost) as exc:
        _complain(str(exc))
        return UNREACHED
    print(json.dumps(result, default=str, ensure_ascii=False))
    return DONE


async def _ask(worker: type[Worker], options: argparse.Namespace, args: dict[str, Any]) -> Any:
    tls = ssl.create_default_context(cafile=options.tls_ca) if options.tls_ca else None
    client = Client(
        "cli",
        worker,
        supers=options.supers.split(","),
        secret=_secret(options.secret_file),
        ssl_context=tls,
    )
    async with client:
        return await client.work_with(args, timeout=options.timeout)


# -- values


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _secret(path: str | None) -> bytes | None:
    if path is None:
        return None
    with Path(path).open("rb") as file:
        secret = file.read(_MAX_SECRET).strip()
    if not secret:
        raise ValueError(f"{path} holds no secret")
    return secret


def _tls(options: argparse.Namespace) -> Tls | None:
    if options.tls_cert is None:
        return None
    return Tls(options.tls_cert, options.tls_key)


def _log_to_stderr(level: str, part: Literal["SUPERVISOR", "CLIENT"]) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"{level!r} is not a log level")
    logging.basicConfig(level=number, format="%(levelname)s %(name)s %(message)s")
    show_machines(log_level(part))
