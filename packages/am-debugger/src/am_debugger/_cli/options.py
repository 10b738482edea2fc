"""Options of an instance: from the command line, the environment, and a file."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from am_helpers.completion import offer_completion

from ..__about__ import __version__
from .._core.debugger import Settings
from .given import FILE, PREFIX, apply_given
from .output_options import add_outputs
from .values import UsageError, address, host_port, hours, positive, seconds, url, web_url
from .view_options import add_view_options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["UsageError", "build_parser", "parse", "settings_of"]


_DESCRIPTION = """\
A time-travelling debugger for machines in many processes.
Commands without a screen: am-dbg inspect, render, export-html, cut, why, lint,
diff, test, profile, pending, wait and mcp; am-dbg COMMAND --help tells of each."""
# All options, of which there are some sixty, would hide what is told of a faulty one.
_USAGE = """am-dbg [MACH_URL] [options]
       am-dbg COMMAND [arguments]
       am-dbg --help"""
_EXAMPLES = """examples:
  am-dbg                                                 wait for machines
  AM_DBG_ADDR=1 python program.py                        in another terminal, show its machines
  am-dbg --import run.amdbg.gz                           look at a recording
  am-dbg --headless --dir dumps --rotate-every 1         record without a screen
  am-dbg inspect run.amdbg.gz --where "+Ready dur>10ms"  list transitions
  am-dbg why run.amdbg.gz mach://worker-1 Ready          what made a state active
  source <(am-dbg --print-completion bash)
"""


def build_parser() -> argparse.ArgumentParser:
    """All options of an instance."""
    parser = argparse.ArgumentParser(
        prog="am-dbg",
        usage=_USAGE,
        description=_DESCRIPTION,
        epilog=f"{_EXAMPLES}\nEach option can be set as {PREFIX}NAME, and in {FILE} in the user's "
        "folder of\nconfiguration.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "url", nargs="?", type=url, metavar="MACH_URL", help="where to begin: mach://ID/TX"
    )
    _add_flow(parser.add_argument_group("what comes in, and where it goes").add_argument)
    add_view_options(parser.add_argument_group("what is shown at the beginning").add_argument)
    add_outputs(parser.add_argument_group("files that follow the cursor").add_argument)
    _add_screens(parser.add_argument_group("screens").add_argument)
    _add_limits(parser.add_argument_group("how much is kept").add_argument)
    _add_strangers(parser.add_argument_group("who may connect").add_argument)
    _add_itself(parser.add_argument_group("the debugger itself").add_argument)
    offer_completion(parser)
    return parser


def _add_flow(add: Callable[..., argparse.Action]) -> None:
    add(
        "-l",
        "--listen",
        action="append",
        type=address,
        metavar="ADDR",
        help="where exporters connect, HOST:PORT or unix:PATH; may be repeated; usual: the "
        "user's socket, and 127.0.0.1:6831",
    )
    add("--from", dest="view_from", type=address, metavar="ADDR", help="view a collector: what it "
        "has kept, then what comes to it; does not listen")  # fmt: skip
    add("-d", "--dir", type=Path, default=Path(), metavar="DIR", help="all outputs go there")
    add(
        "-i",
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="FILE",
        help="load a dump; may be repeated",
    )
    add(
        "-f",
        "--forward",
        action="append",
        default=[],
        type=address,
        metavar="ADDR",
        help="repeat all that comes in to another instance; may be repeated",
    )
    add("-c", "--select-connected", action="store_true", help="select the first machine")
    add(
        "--clean-on-connect",
        action="store_true",
        help="forget all machines when they are gone and a new one comes",
    )
    add(
        "--detail",
        type=int,
        choices=(0, 1, 2),
        default=1,
        help="of machines that connect: 0 mute, 1 journal (usual), 2 everything",
    )


def _add_screens(add: Callable[..., argparse.Action]) -> None:
    add("--headless", action="store_true", help="no screen: take in, forward, write dumps")
    add(
        "--serve",
        type=host_port,
        metavar="HOST:PORT",
        help="no screen here, but one in each browser tab that is opened there",
    )
    add(
        "--serve-url",
        type=web_url,
        metavar="URL",
        help="by what browsers reach it through a proxy, which has to ask who they are",
    )
    add("--no-mouse", dest="mouse", action="store_false", help="leave the mouse to the terminal")
    add(
        "--no-clipboard",
        dest="clipboard",
        action="store_false",
        help="never write into the terminal's clipboard",
    )


def _add_limits(add: Callable[..., argparse.Action]) -> None:
    add("--max-mem", type=positive, default=1000, metavar="MB", help="memory; usual: 1000")
    add(
        "--log-ops-ttl",
        type=seconds,
        default=3600.0,
        metavar="TIME",
        help="age from which fine log lines go first when memory is short; usual: 1h",
    )
    add("--max-clients", type=positive, default=5000, metavar="N", help="machines; usual: 5000")
    add("--rotate-tx", type=positive, metavar="N", help="write a dump each N transitions")
    add("--rotate-every", type=hours, metavar="HOURS", help="write a dump each so many hours")


def _add_strangers(add: Callable[..., argparse.Action]) -> None:
    add("--secret-env", metavar="VAR", help="variable with the secret of those who connect")
    add("--tls-cert", type=Path, metavar="FILE", help="certificate for listening")
    add("--tls-key", type=Path, metavar="FILE", help="its key, if it is not in the same file")
    add("--peer-secret-env", metavar="VAR", help="variable with the secret for --from, --forward")
    add("--tls-ca", type=Path, metavar="FILE", help="certificate to trust for --from, --forward")


def _add_itself(add: Callable[..., argparse.Action]) -> None:
    add(
        "--repl",
        action="store_true",
        help="let arpc drive this instance, by a socket in the user's own folder",
    )
    add("--id", default="am-dbg", help="id of the debugger's own machine")
    add("--dbg-addr", type=address, metavar="ADDR", help="debug this debugger with another one")
    add("--config", type=Path, metavar="FILE", help=f"a file with options, instead of {FILE}")
    add("--no-config", action="store_true", help="no file, and nothing from the environment")
    add("--version", action="version", version=f"am-dbg {__version__}")


def parse(argv: list[str], environ: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Options from the file, over them the environment, over them the command line.

    :raises UsageError: if one of the first two does not fit, or options do not go together.
    :raises SystemExit: if the command line does not fit.
    """
    parser = build_parser()
    apply_given(parser, argv, environ)
    options = parser.parse_args(argv)
    _check(options)
    return options


def _check(options: argparse.Namespace) -> None:
    """What does not go together."""
    if options.view_from is not None and options.listen:
        raise UsageError("--from views a collector and does not listen: leave --listen out")
    if options.serve is not None and options.headless:
        raise UsageError("--serve has screens in browsers, --headless has none: leave one out")
    if options.serve_url is not None and options.serve is None:
        raise UsageError("--serve-url is of no use without --serve")
    if options.tls_key is not None and options.tls_cert is None:
        raise UsageError("--tls-key is of no use without --tls-cert")


def settings_of(options: argparse.Namespace) -> Settings:
    """What the debugger's machine and its screen need of the options."""
    return Settings(
        max_mem=options.max_mem,
        log_ttl=options.log_ops_ttl,
        max_clients=options.max_clients,
        select_connected=options.select_connected,
        clean_on_connect=options.clean_on_connect,
        tail=options.tail,
        folder=options.dir,
        theme=options.theme,
        mouse=options.mouse,
        clipboard=options.clipboard,
    )
