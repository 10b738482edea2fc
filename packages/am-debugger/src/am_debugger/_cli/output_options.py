"""Options of outputs: files that follow the cursor, and the diagrams pane."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from .._core.states import DIAGRAMS
from .._web.guard import is_loopback

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_PORT = 65535
_FILES = {
    "tx": ("OutputTx", "tx.md: the transition under the cursor"),
    "log": ("OutputLog", "log.md: the log around it"),
    "clients": ("OutputClients", "clients.txt: all machines at the moment"),
    "graph": ("OutputGraph", "graph.md: these with what connects them"),
    "call-log": ("OutputCallLog", "call-log/ID: handlers of the selected machine as they ran"),
}


def add_outputs(add: Callable[..., argparse.Action]) -> None:
    """What is written into the folder of outputs."""
    for name, (_, text) in _FILES.items():
        add(f"--output-{name}", action="store_true", help=f"keep {text}")
    add(
        "--output-diagrams",
        type=int,
        choices=(0, 1, 2, 3),
        default=0,
        help="keep diagrams/ of machines, states and steps; 3 has most detail",
    )
    add(
        "--web",
        type=loopback,
        metavar="HOST:PORT",
        help="show them in browsers of this host, following the cursor",
    )


def loopback(text: str) -> tuple[str, int]:
    """`host:port` of this host; for others a proxy with authentication stands in front."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    host = host.strip("[]")
    if not is_loopback(host):
        raise argparse.ArgumentTypeError(f"{host} is not this host alone: give 127.0.0.1 or ::1")
    return host, int(port)


def output_states(options: argparse.Namespace) -> list[str]:
    """The states that these options add at the start."""
    names = {name: getattr(options, f"output_{name.replace('-', '_')}") for name in _FILES}
    found = [_FILES[name][0] for name, is_wanted in names.items() if is_wanted]
    if options.output_diagrams:
        found.append(DIAGRAMS[options.output_diagrams - 1])
    if options.web is not None:
        found.append("Web")
    return found
