"""`am-dbg mcp`: the debugger for an agent, over a dump or a collector."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .._errors import DumpError
from .._files.inspect import inert
from .options import parse
from .peers import add_peer_options
from .values import UsageError, address

_USAGE, _BAD_DUMP = 2, 4


def mcp(argv: list[str]) -> int:
    """`am-dbg mcp [DUMP] [--from ADDR] [--write]`, over stdin and stdout."""
    parser = argparse.ArgumentParser(
        prog="am-dbg mcp",
        description="Serve an agent (Model Context Protocol, over stdin and stdout).",
    )
    parser.add_argument("dump", nargs="?", metavar="DUMP", help="what is looked at")
    add = parser.add_argument
    add("--from", dest="view_from", type=address, metavar="ADDR", help="a collector, instead")
    add("--write", action="store_true", help="let it act: select, move, filter, export")
    add("-d", "--dir", type=Path, default=Path(), metavar="DIR", help="exports go there")
    add_peer_options(parser)
    given = parser.parse_args(argv)
    if (given.dump is None) is (given.view_from is None):
        print("am-dbg: give a dump, or --from with a collector", file=sys.stderr)
        return _USAGE
    try:
        return _serve(given)
    except UsageError as exc:
        print(f"am-dbg: {inert(str(exc))}", file=sys.stderr)
        return _USAGE


def _serve(given: argparse.Namespace) -> int:
    try:
        from .._mcp.server import run_server
    except ImportError as exc:
        raise UsageError("mcp needs: python -m pip install 'am-debugger[mcp]'") from exc
    from .run import Instance

    options = parse(["--no-config"])
    options.listen = []
    options.view_from, options.dir = given.view_from, given.dir
    options.imports = [] if given.dump is None else [given.dump]
    options.peer_secret_env, options.tls_ca = given.peer_secret_env, given.tls_ca
    instance = Instance(options)
    code = instance.exit_code
    try:
        run_server(instance, may_write=given.write)
    except* DumpError as group:
        print(f"am-dbg: {inert(str(group.exceptions[0]))}", file=sys.stderr)
        code = _BAD_DUMP
    return code
