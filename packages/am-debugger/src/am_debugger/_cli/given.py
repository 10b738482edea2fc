"""Options that stand in a file or in the environment, as if they stood on the command line."""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .values import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "AM_DBGUI_"
FILE = "am-dbg.toml"
_TRUE, _FALSE = ("1", "true", "yes", "on"), ("", "0", "false", "no", "off")
_NOT_GIVEN = ("help", "version", "config", "no_config", "print_completion")
"""What can stand on the command line alone."""


def apply_given(
    parser: argparse.ArgumentParser, argv: list[str], environ: Mapping[str, str]
) -> None:
    """Make what the file and, over it, the environment say the defaults of a parser.

    :raises UsageError: if one of them does not fit.
    """
    early, _ = _early().parse_known_args(argv)
    if early.no_config:
        return
    actions = given_actions(parser)
    path = early.config or Path(environ.get("XDG_CONFIG_HOME") or Path.home() / ".config", FILE)
    for name, value in _from_file(path, is_needed=early.config is not None).items():
        _set_default(parser, actions, name.replace("-", "_"), value, str(path))
    for variable, value in environ.items():
        if variable.startswith(PREFIX):
            name = variable.removeprefix(PREFIX).lower()
            _set_default(parser, actions, name, value, variable)


def given_actions(parser: argparse.ArgumentParser) -> dict[str, tuple[argparse.Action, bool]]:
    """Names by which options can be given, each with its action and whether it says yes: the twin
    `--no-reader` of `--reader` says no."""
    found = {}
    for action in parser._actions:
        for option in action.option_strings:
            name = option.removeprefix("--").replace("-", "_")
            if option.startswith("--") and name not in _NOT_GIVEN:
                is_twin = isinstance(action, argparse.BooleanOptionalAction)
                found[name] = action, not (is_twin and name.startswith("no_"))
    return found


def _early() -> argparse.ArgumentParser:
    early = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    early.add_argument("--config", type=Path)
    early.add_argument("--no-config", action="store_true")
    return early


def _from_file(path: Path, *, is_needed: bool) -> Mapping[str, Any]:
    if not is_needed and not path.is_file():
        return {}
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise UsageError(f"{path}: {exc}") from exc


def _set_default(
    parser: argparse.ArgumentParser,
    actions: Mapping[str, tuple[argparse.Action, bool]],
    name: str,
    value: Any,
    where: str,
) -> None:
    if name not in actions:
        raise UsageError(f"{where}: there is no option {name}")
    action, says_yes = actions[name]
    if action.nargs == 0:
        made: Any = _switched(action, name, value, where) is says_yes
    else:
        made = _converted(action, name, value, where)
    parser.set_defaults(**{action.dest: made})


def _switched(action: argparse.Action, name: str, value: Any, where: str) -> bool:
    """What a switch is set to."""
    text = str(value).lower()
    if text not in (*_TRUE, *_FALSE):
        raise UsageError(f"{where}: {name} is {value!r}, neither yes nor no")
    is_on = text in _TRUE
    # A switch such as `--no-mouse` stores False where it is given.
    return is_on is not (action.const is False)


def _converted(action: argparse.Action, name: str, value: Any, where: str) -> Any:
    values = value if isinstance(value, list) else [value]
    is_list = isinstance(action, argparse._AppendAction)
    if is_list and isinstance(value, str):
        values = value.split()
    try:
        made = [action.type(str(one)) if callable(action.type) else str(one) for one in values]
    except (argparse.ArgumentTypeError, ValueError, TypeError) as exc:
        raise UsageError(f"{where}: {name}: {exc}") from exc
    if action.choices is not None and not set(made) <= set(action.choices):
        raise UsageError(f"{where}: {name} is one of {', '.join(map(str, action.choices))}")
    if is_list:
        return made
    if len(made) != 1:
        raise UsageError(f"{where}: {name} takes one value")
    return made[0]
