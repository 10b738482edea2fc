"""``am-node supervisor``."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import trio

from .._settings import Pool, Rlimits, Timing
from .addr_file import check_addr_file, written
from .launching import NAMES, launcher
from .options import ENTRY, add_common, log_to_stderr, read_secret, tls

if TYPE_CHECKING:
    import argparse

    from .._supervisor.supervisor import Supervisor

_POOL = Pool()
_TIMING = Timing()


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("supervisor", help="supervise a pool of workers")
    parser.add_argument("entry", help=ENTRY)
    parser.add_argument(
        "--addr", help="address for clients, host:port or unix:PATH; default: a socket of this user"
    )
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
    parser.add_argument(
        "--launcher", choices=NAMES, help="what places workers; default: children of this process"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a setting of the launcher, such as partition=long; repeatable",
    )
    parser.add_argument(
        "--link-addr", default="127.0.0.1:0", help="address of this host that far workers dial"
    )
    parser.add_argument("--worker-host", help="address that workers bind, such as 0.0.0.0")
    parser.add_argument(
        "--addr-file",
        metavar="NAME.addr",
        help="file to write the address to while this takes clients, for --supers-dir",
    )
    parser.add_argument("--tls-cert", help="PEM file with the pool's certificate, for every link")
    parser.add_argument("--tls-key", help="PEM file with its key, if that is in a file of its own")
    parser.add_argument("--insecure", action="store_true", help="allow other hosts unprotected")
    add_common(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Supervise until a signal says otherwise."""
    # Here, as to load it is a good part of the time of a command that only asks one.
    from .._supervisor.supervisor import Supervisor

    log_to_stderr(options.log, "SUPERVISOR")
    if options.addr_file is not None:
        check_addr_file(options.addr_file, options.addr)
    supervisor = Supervisor(
        options.entry,
        addr=options.addr,
        pool=_pool(options),
        rlimits=Rlimits(
            memory=None if options.memory is None else options.memory * 2**20,
            files=options.files,
            cpu=options.cpu,
        ),
        secret=read_secret(options.secret_file),
        timing=Timing(conn_timeout=options.conn_timeout),
        launcher=launcher(options.launcher, options.set),
        link_addr=options.link_addr,
        worker_host=options.worker_host,
        tls=tls(options),
        insecure=options.insecure,
    )
    return trio.run(_announce_and_serve, supervisor, options.addr_file)


def _pool(options: argparse.Namespace) -> Pool:
    given = {name: getattr(options, name) for name in ("min", "max", "warm")}
    figures = {name: value for name, value in given.items() if value is not None}
    if options.workers is None:
        return Pool(**figures)
    if figures:
        raise ValueError(f"--workers says it all: leave out --{', --'.join(figures)}")
    return Pool(options.workers, options.workers, 0)


async def _announce_and_serve(supervisor: Supervisor, addr_file: str | None) -> int:
    from .._supervisor.serve import serve

    code = 0
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[str]) -> None:
            nonlocal code
            code = await serve(supervisor, task_status)

        addr = await nursery.start(run)
        with contextlib.nullcontext() if addr_file is None else written(addr_file, addr):
            _announce(f"{supervisor.mach.id} listens on {addr}")
            # From then on clients are to go elsewhere.
            await supervisor.mach.when("Draining")
    return code


def _announce(line: str) -> None:
    # A pool that nobody can be told of serves those who know its address.
    try:
        print(line, flush=True)
    except (OSError, ValueError):
        sys.stdout = None
