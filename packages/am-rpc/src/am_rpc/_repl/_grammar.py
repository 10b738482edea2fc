"""How commands are written: words in, a `Command` out. Nothing runs here."""

from __future__ import annotations

import difflib
import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from .._transport.address import parse_address
from . import _looking, _mutations, _script, _waiting, _watch
from ._cheatsheet import CHEATSHEET, GROUPS
from ._filters import Filters
from ._outcome import Code, CommandError, Outcome

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from ._machine import Repl


@dataclass(frozen=True, slots=True)
class Command:
    """A command that was understood: run it, the REPL's `state` being active meanwhile.

    `timeout` is what the command itself asks for, in seconds.
    """

    run: Callable[[Repl, int], Awaitable[Outcome]]
    state: str | None = None
    needs_connection: bool = True
    timeout: float | None = field(default=None, kw_only=True)


def seconds(text: str) -> float:
    """Read a number of seconds above 0, a click type."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number <= 0:
        raise click.BadParameter(f"{text!r} is not a number of seconds")
    return number


def regexp(text: str) -> re.Pattern[str]:
    """Read a regular expression, a click type."""
    try:
        return re.compile(text)
    except (re.error, RecursionError) as error:
        raise click.BadParameter(f"{text!r}: {error}") from error


def address(text: str) -> str:
    """Read an address, a click type."""
    try:
        return str(parse_address(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def parse(words: Sequence[str]) -> Command:
    """Return the command that these words make.

    Raises:
        CommandError: they make none.
    """
    if not words:
        raise CommandError(Code.USAGE, "no command; try help")
    name, *rest = words
    command = COMMANDS.get(name)
    if command is None:
        close = difflib.get_close_matches(name, COMMANDS, n=1)
        raise CommandError(
            Code.USAGE,
            f"no command {name!r}; " + (f"did you mean {close[0]}?" if close else "try help"),
        )
    try:
        with command.make_context(name, list(rest)) as context:
            made = command.invoke(context)
    except click.exceptions.Exit:
        made = _say(lambda: Outcome())
    except click.ClickException as error:
        raise CommandError(Code.USAGE, f"{name}: {error.format_message()}") from error
    assert isinstance(made, Command)
    return made


def _say(make: Callable[[], Outcome], *, timeout: float | None = None) -> Command:
    """A command that needs no machine."""

    async def run(repl: Repl, depth: int) -> Outcome:
        return make()

    return Command(run, needs_connection=False, timeout=timeout)


def _on(fn: Callable[..., Awaitable[Outcome]], *args: Any, **kwargs: Any) -> Any:
    """Leave out the depth, which only scripts want."""

    def run(repl: Repl, depth: int) -> Awaitable[Outcome]:
        return fn(repl, *args, **kwargs)

    return run


# Values.


def value_of(text: str) -> Any:
    """Read a `--val`: JSON if it is JSON, else the text itself."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return text


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _args_of(names: tuple[str, ...], values: tuple[str, ...]) -> dict[str, Any]:
    if len(names) != len(values):
        raise click.UsageError("each --arg needs one --val")
    if len(set(names)) != len(names):
        raise click.UsageError("an --arg is given twice")
    return dict(zip(names, map(value_of, values), strict=True))


# Building blocks.

_MACH: Final = click.argument("mach")
_STATES: Final = click.argument("states", nargs=-1, required=True, metavar="STATE...")
_TIMEOUT: Final = click.option("--timeout", type=seconds, help="Seconds to wait at most.")


def _with_args(fn: Any) -> Any:
    fn = click.option("--val", "vals", multiple=True, help="Its value: JSON, or else text.")(fn)
    return click.option("--arg", "args", multiple=True, help="Name of an arg; a --val follows.")(fn)


_FILTERS: Final = (
    click.option("-a", "--active", multiple=True, metavar="STATE", help="This state is active."),
    click.option("-i", "--inactive", multiple=True, metavar="STATE", help="It is inactive."),
    click.option(
        "-m", "--mtime-states", multiple=True, metavar="STATE", help="States the time sums up."
    ),
    click.option("-t", "--mtime-min", type=int, help="The time is at least this."),
    click.option("-T", "--mtime-max", type=int, help="The time is at most this."),
    click.option("-P", "--parent", metavar="ID", help="Id of the parent machine."),
    click.option("-r", "--id-regexp", type=regexp, help="The id matches somewhere."),
    click.option("-I", "--id-partial", metavar="TEXT", help="The id contains this."),
    click.option("-p", "--id-prefix", metavar="TEXT", help="The id begins so."),
    click.option("-s", "--id-suffix", metavar="TEXT", help="The id ends so."),
    click.option("-l", "--limit", type=click.IntRange(min=1), help="At most so many machines."),
    click.option(
        "-f", "--from", "skip", type=click.IntRange(min=0), default=0, help="Pass over so many."
    ),
)


def _with_filters(fn: Any) -> Any:
    for option in reversed(_FILTERS):
        fn = option(fn)
    return fn


# The commands.


def _mutation(kind: Any, state: str, text: str) -> click.Command:
    @click.command(kind, help=text)
    @_MACH
    @_STATES
    @_with_args
    @_TIMEOUT
    def command(mach: str, states: tuple[str, ...], args: Any, vals: Any, timeout: Any) -> Command:
        keywords = _args_of(args, vals)
        return Command(_on(_mutations.mutate, kind, mach, states, keywords), state, timeout=timeout)

    return command


def _group_mutation(kind: Any, state: str, text: str) -> click.Command:
    @click.command(f"group-{kind}", help=text)
    @_STATES
    @_with_args
    @_TIMEOUT
    @_with_filters
    def command(
        states: tuple[str, ...], args: Any, vals: Any, timeout: Any, **filters: Any
    ) -> Command:
        keywords = _args_of(args, vals)
        run = _on(_mutations.group_mutate, kind, states, keywords, Filters(**filters))
        return Command(run, state, timeout=timeout)

    return command


def _wait(name: str, fn: Any, state: str, text: str) -> click.Command:
    @click.command(name, help=text)
    @_MACH
    @_STATES
    @_TIMEOUT
    def command(mach: str, states: tuple[str, ...], timeout: Any) -> Command:
        return Command(_on(fn, mach, states), state, timeout=timeout)

    return command


@click.command("when-time", help="Wait until each state has reached its tick.")
@_MACH
@click.option("-s", "--state", "states", multiple=True, required=True, help="A state.")
@click.option("-t", "--tick", "ticks", multiple=True, type=click.IntRange(min=0), help="Its tick.")
@_TIMEOUT
def _when_time(mach: str, states: Any, ticks: Any, timeout: Any) -> Command:
    if len(states) != len(ticks):
        raise click.UsageError("each --state needs one --tick")
    wanted = dict(zip(states, ticks, strict=True))
    return Command(_on(_waiting.when_time, mach, wanted), "CmdWhenTime", timeout=timeout)


@click.command("when-args", help="Wait until the state is entered with these args.")
@_MACH
@click.argument("state")
@_with_args
@_TIMEOUT
def _when_args(mach: str, state: str, args: Any, vals: Any, timeout: Any) -> Command:
    keywords = _args_of(args, vals)
    if not keywords:
        raise click.UsageError("give at least one --arg with a --val")
    return Command(_on(_waiting.when_args, mach, state, keywords), "CmdWhen", timeout=timeout)


@click.command("mach", help="Show the states of a machine on one line.")
@_MACH
@click.option("--all", "everything", is_flag=True, help="Inactive ones too.")
def _mach(mach: str, everything: bool) -> Command:
    return Command(_on(_looking.show_states, mach, with_inactive=everything), "CmdInspect")


@click.command("inspect", help="Show every state with its tick and relations.")
@_MACH
def _inspect(mach: str) -> Command:
    return Command(_on(_looking.inspect, mach), "CmdInspect")


@click.command("time", help="Show the ticks of a machine in index order.")
@_MACH
@click.option("--sum", "only_sum", is_flag=True, help="Only their sum.")
def _time(mach: str, only_sum: bool) -> Command:
    return Command(_on(_looking.show_time, mach, only_sum=only_sum), "CmdInspect")


@click.command("watch", help="Show each change of a machine, or of some states, as it happens.")
@_MACH
@click.argument("states", nargs=-1, metavar="[STATE...]")
@click.option("-n", "--count", type=click.IntRange(min=1), help="End after so many changes.")
@click.option("--timeout", type=seconds, help="End after so many seconds.")
def _watch_command(mach: str, states: tuple[str, ...], count: int | None, timeout: Any) -> Command:
    run = _on(_watch.watch, mach, states, within=timeout, count=count)
    # It ends by itself, and then well.
    return Command(run, "CmdInspect", timeout=math.inf)


@click.command("list", help="List the machines that match.")
@_with_filters
@click.option("--states", is_flag=True, help="With their active states.")
@click.option("--states-all", is_flag=True, help="With all their states.")
@click.option("--disconn", is_flag=True, help="Also those that are not connected.")
def _list(states: bool, states_all: bool, disconn: bool, **filters: Any) -> Command:
    run = _on(
        _looking.list_machines,
        Filters(**filters),
        states=states,
        states_all=states_all,
        disconnected=disconn,
    )
    return Command(run, "CmdList", needs_connection=not disconn)


@click.command("status", help="Count the connections.")
def _status() -> Command:
    return Command(_on(_looking.status), "CmdStatus", needs_connection=False)


@click.command("connect", help="Connect anew to what was lost, and to more addresses.")
@click.argument("addrs", nargs=-1, type=address, metavar="[ADDR...]")
def _connect(addrs: tuple[str, ...]) -> Command:
    return Command(_on(_looking.connect, addrs), needs_connection=False)


@click.command("script", help="Run the commands of a file, up to the first that fails.")
@click.argument("file", type=click.Path(path_type=Path))
def _run_script(file: Path) -> Command:
    def run(repl: Repl, depth: int) -> Awaitable[Outcome]:
        return _script.run_script(repl, file, depth)

    # Its commands have their own time.
    return Command(run, "CmdScript", needs_connection=False, timeout=math.inf)


@click.command("cheatsheet", help="Show examples of all that can be done.")
def _cheatsheet() -> Command:
    return _say(lambda: Outcome(data={"text": CHEATSHEET}, lines=tuple(CHEATSHEET.split("\n"))))


@click.command("help", help="List the commands, or explain one.")
@click.argument("command", required=False)
def _help(command: str | None) -> Command:
    if command is not None and command not in COMMANDS:
        raise click.UsageError(f"no command {command!r}")
    text = _overview() if command is None else _explanation(command)
    return _say(lambda: Outcome(data={"text": text}, lines=tuple(text.split("\n"))))


def _overview() -> str:
    lines: list[str] = []
    for title, names in GROUPS.items():
        lines += ["", title] if lines else [title]
        lines += [f"  {name:<14}{COMMANDS[name].help}" for name in names]
    return "\n".join(lines)


def _explanation(name: str) -> str:
    command = COMMANDS[name]
    return command.get_help(click.Context(command, info_name=name)).rstrip()


@click.command("exit", help="Leave the shell.")
def _exit() -> Command:
    return _say(lambda: Outcome(ends_shell=True))


COMMANDS: Final[dict[str, click.Command]] = {
    "add": _mutation("add", "CmdAdd", "Activate states."),
    "remove": _mutation("remove", "CmdRemove", "Deactivate states."),
    "set": _mutation("set", "CmdAdd", "Make these the active states."),
    "toggle": _mutation("toggle", "CmdAdd", "Remove the states if all are active, else add them."),
    "group-add": _group_mutation("add", "CmdGroupAdd", "Activate states of all that match."),
    "group-remove": _group_mutation(
        "remove", "CmdGroupRemove", "Deactivate states of all that match."
    ),
    "when": _wait("when", _waiting.when, "CmdWhen", "Wait until the states are active."),
    "when-not": _wait(
        "when-not", _waiting.when_not, "CmdWhenNot", "Wait until the states are inactive."
    ),
    "when-time": _when_time,
    "when-args": _when_args,
    "mach": _mach,
    "inspect": _inspect,
    "time": _time,
    "watch": _watch_command,
    "list": _list,
    "status": _status,
    "connect": _connect,
    "script": _run_script,
    "cheatsheet": _cheatsheet,
    "help": _help,
    "exit": _exit,
}
