"""Options of an instance: from the command line, the environment, and a file."""

from __future__ import annotations

import argparse
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from am_telemetry import dbg

from ..__about__ import __version__
from .._core.debugger import Settings
from .._derive.url import parse_url
from .._errors import UrlError
from .output_options import add_outputs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PREFIX = "AM_DBGUI_"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_TIME = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, None: 1}


class UsageError(Exception):
    """An option cannot be what it is; the text says why."""


def address(text: str) -> dbg.Address:
    """`host:port` or `unix:PATH`."""
    try:
        return dbg.parse_address(text)
    except dbg.AddressError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def seconds(text: str) -> float:
    """A time such as 90, 90s, 15m, 1h."""
    found = _TIME.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 90s, 15m, 1h")
    return float(found[1]) * _UNITS[found[2]]


def url(text: str) -> str:
    """The address of a machine."""
    try:
        parse_url(text)
    except UrlError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc
    return text


def build_parser() -> argparse.ArgumentParser:
    """All options of an instance."""
    parser = argparse.ArgumentParser(
        prog="am-dbg",
        description="A time-travelling debugger for machines in many processes. "
        "Also: am-dbg inspect DUMP [--where QUERY].",
        epilog=f"Each option can be set as {_PREFIX}NAME, and in am-dbg.toml in the user's folder "
        "of configuration.",
    )
    _add_flow(parser.add_argument)
    add_outputs(parser.add_argument)
    _add_limits(parser.add_argument)
    return parser


def _add_flow(add: Callable[..., argparse.Action]) -> None:
    """What comes in, and where it goes."""
    add("url", nargs="?", type=url, metavar="MACH_URL", help="where to begin: mach://ID/TX")
    add(
        "-l",
        "--listen",
        action="append",
        type=address,
        metavar="ADDR",
        help="where exporters connect; default: the user's socket, and 127.0.0.1:6831",
    )
    add("--from", dest="view", type=address, metavar="ADDR", help="view a collector; do not listen")
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
    add("--headless", action="store_true", help="no screen: take in, forward, write dumps")
    add(
        "--detail",
        type=int,
        choices=(0, 1, 2),
        default=1,
        help="of machines that connect: 0 mute, 1 journal, 2 everything",
    )


def _add_limits(add: Callable[..., argparse.Action]) -> None:
    """How much is kept, who may connect, and the debugger itself."""
    add("--max-mem", type=int, default=1000, metavar="MB", help="memory for what is kept")
    add(
        "--log-ops-ttl",
        type=seconds,
        default=3600.0,
        metavar="TIME",
        help="age from which fine log lines go first when memory is short",
    )
    add("--max-clients", type=int, default=5000, metavar="N", help="machines at most")
    add("--rotate-tx", type=int, metavar="N", help="write a dump each N transitions (headless)")
    add("--rotate-every", type=float, metavar="HOURS", help="write a dump each so many hours")
    add("--secret-env", metavar="VAR", help="variable with the secret of those who connect")
    add("--tls-cert", type=Path, metavar="FILE", help="certificate for listening")
    add("--tls-key", type=Path, metavar="FILE", help="its key, if it is not in the same file")
    add("--peer-secret-env", metavar="VAR", help="variable with the secret for --from, --forward")
    add("--tls-ca", type=Path, metavar="FILE", help="certificate to trust for --from, --forward")
    add("--no-tail", dest="tail", action="store_false", help="do not follow what comes")
    add("--id", default="am-dbg", help="id of the debugger's own machine")
    add("--dbg-addr", metavar="ADDR", help="debug this debugger with another one")
    add("--config", type=Path, metavar="FILE", help="a file with options")
    add("--version", action="version", version=f"am-dbg {__version__}")


def parse(argv: list[str], environ: Mapping[str, str] = os.environ) -> argparse.Namespace:
    """Options from the file, over them the environment, over them the command line.

    :raises UsageError: if one of the first two does not fit.
    :raises SystemExit: if the command line does not fit.
    """
    parser = build_parser()
    early, _ = _early(argv)
    _apply(parser, _from_file(early, environ), "the file of options")
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(_PREFIX)
    }
    _apply(parser, given, "the environment")
    return parser.parse_args(argv)


def _early(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--config", type=Path)
    return early.parse_known_args(argv)


def _from_file(early: argparse.Namespace, environ: Mapping[str, str]) -> Mapping[str, Any]:
    path = early.config
    if path is None:
        home = environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        path = Path(home, "am-dbg.toml")
        if not path.is_file():
            return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: {exc}") from exc


def _apply(parser: argparse.ArgumentParser, given: Mapping[str, Any], where: str) -> None:
    """Make given values the defaults, as if they stood on the command line."""
    actions = {
        option.removeprefix("--").replace("-", "_"): action
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    for name, value in given.items():
        action = actions.get(name.replace("-", "_"))
        if action is None or action.dest in ("help", "version", "config"):
            raise UsageError(f"{where}: there is no option {name}")
        parser.set_defaults(**{action.dest: _converted(action, name, value, where)})


def _converted(action: argparse.Action, name: str, value: Any, where: str) -> Any:
    if action.nargs == 0:  # a switch
        text = str(value).lower()
        if text not in (*_TRUE, *_FALSE):
            raise UsageError(f"{where}: {name} is {value!r}, neither yes nor no")
        return action.const if text in _TRUE else not action.const
    values = value if isinstance(value, list) else [value]
    if isinstance(action, argparse._AppendAction) and isinstance(value, str):
        values = value.split()
    try:
        made = [action.type(str(one)) if callable(action.type) else one for one in values]
    except (argparse.ArgumentTypeError, ValueError, TypeError) as exc:
        raise UsageError(f"{where}: {name}: {exc}") from exc
    if action.choices is not None and not set(made) <= set(action.choices):
        raise UsageError(f"{where}: {name} is one of {', '.join(map(str, action.choices))}")
    if isinstance(action, argparse._AppendAction):
        return made
    if len(made) != 1:
        raise UsageError(f"{where}: {name} takes one value")
    return made[0]


def settings_of(options: argparse.Namespace) -> Settings:
    """What the debugger's machine needs of the options."""
    return Settings(
        max_mem=options.max_mem,
        log_ttl=options.log_ops_ttl,
        max_clients=options.max_clients,
        select_connected=options.select_connected,
        clean_on_connect=options.clean_on_connect,
        tail=options.tail,
        folder=options.dir,
    )
