"""`arpc mcp`: live machines for an agent, over stdin and stdout."""

from __future__ import annotations

import importlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import trio

import am_machine as am

from ._grammar import seconds
from ._machine import Repl
from ._outcome import Code, CommandError
from ._reach import access_from, source_from

if TYPE_CHECKING:
    from ._addr_files import Source
    from ._output import Output
    from ._pool import Access

_EPILOG = """\
\b
arpc mcp 127.0.0.1:6000                                look and explain
arpc mcp unix:/run/pool.sock --write                   mutate, as far as the server lets this key
arpc mcp ADDR --write --states shop.states:Order       its args classes type the tools

Exit codes: 0 the agent left, 2 usage, 3 not connected.
"""


@click.command(
    "mcp",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.argument("addrs", nargs=-1, required=True, metavar="ADDR...")
@click.option("--write", is_flag=True, help="Let the agent mutate.")
@click.option("--states", metavar="MODULE:CLASS", help="States whose args classes type the tools.")
@click.option("--timeout", type=seconds, default=10.0, help="Seconds a request may take.")
@click.option("--secret-file", type=click.Path(path_type=Path), help="File with the shared secret.")
@click.option("--key-id", metavar="ID", help="Id of the secret, if the server knows several.")
@click.option("--machine", "machines", metavar="ID", multiple=True, help="Only this one of many.")
@click.option("--tls-ca", type=click.Path(path_type=Path), help="TLS; certificates to trust.")
def mcp_options(**options: Any) -> dict[str, Any]:
    """Serve an agent (Model Context Protocol, over stdin and stdout) with live machines.

    It lists machines, reads clocks, waits, and asks why a mutation would be refused; it mutates
    only with --write.
    """
    return options


def serve_agent(options: dict[str, Any], output: Output) -> Code:
    """Connect, and serve until the agent leaves.

    :raises CommandError: if the options make no sense, or no machine is connected.
    """
    if sys.stdin is None:
        raise CommandError(Code.USAGE, "stdin is closed: the agent speaks over it")
    access = replace(
        access_from(options["secret_file"], options["key_id"], options["tls_ca"]),
        machines=options["machines"],
        schema=_schema_of(options["states"]),
    )
    source = source_from(options["addrs"], None, None)
    repl = _repl(source, access, options["timeout"])
    try:
        # After the options were looked at: it takes longer than all else until an agent is served.
        from ._mcp_server import serve
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "mcp":
            raise
        raise CommandError(Code.USAGE, "mcp needs: pip install 'am-rpc[mcp]'") from error
    return trio.run(serve, repl, options["write"])


def _repl(source: Source, access: Access, timeout: float) -> Repl:
    def told(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    return Repl(
        source,
        show=lambda name, outcome: None,
        access=access,
        watch=True,
        timeout=timeout,
        on_fault=told,
    )


def _schema_of(name: str | None) -> am.Schema | None:
    """The schema of a class of states by its name, imported as `python -m` would."""
    if name is None:
        return None
    module, colon, attribute = name.partition(":")
    if not colon:
        raise CommandError(Code.USAGE, f"--states is {name!r}, not as in package.module:Class")
    sys.path.insert(0, os.getcwd())
    try:
        found = getattr(importlib.import_module(module), attribute)
        return am.compile_schema(found)
    except (ImportError, AttributeError, TypeError, ValueError) as error:
        raise CommandError(Code.USAGE, f"--states {name}: {error}") from error
    finally:
        sys.path.remove(os.getcwd())
