"""What pages print of our commands is what these take: each subcommand, and each of its options."""

from __future__ import annotations

import contextlib
import functools
import io
import re
import shlex
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

import pytest

from docs.site.sources import ROOT, pages
from release.printed import shell_lines

if TYPE_CHECKING:
    from pathlib import Path

PAGES = [page for page in pages(ROOT) if page.name != "CHANGELOG.md"]
COMMANDS = {
    entry.name: entry
    for entry in entry_points(group="console_scripts")
    if entry.module.startswith("am_") and entry.dist is not None and "am-" in entry.dist.name
}
SUBCOMMANDS = {
    "am-dbg": {"cut", "diff", "export-html", "inspect", "lint", "mcp", "pending", "profile"}
    | {"render", "test", "wait", "why"},
    "am-gen": {"states-file", "handlers", "diagram"},
    "am-node": {"supervisor", "work", "map", "status", "drain"},
    "am-pubsub": {"watch"},
    "am-telemetry": {"grafana", "alerts", "check", "reference"},
    "arpc": {"doctor", "mcp"},
}
OPERATORS = {"|", "||", "&&", ";", "&", ">", ">>", "<", "#", "--"}
OPTION = re.compile(r"--?[a-zA-Z][\w-]*")


def words(line: str) -> list[str]:
    """A line as a shell takes it apart; none if it is no line for a shell."""
    try:
        return list(shlex.shlex(line, posix=True, punctuation_chars="|&;<>#")) if line else []
    except ValueError:
        return []


def printed(page: str) -> list[tuple[str, list[str]]]:
    """Our commands in a page's code, each with its words."""
    found: list[tuple[str, list[str]]] = []
    for line in shell_lines(page):
        given = words(line)
        for number, word in enumerate(given):
            if word in COMMANDS:
                ends = (n for n in range(number + 1, len(given)) if given[n] in OPERATORS)
                found.append((word, given[number + 1 : next(ends, len(given))]))
    return found


@functools.cache
def help_of(*command: str) -> str:
    """What a command says of itself."""
    told, before = io.StringIO(), sys.argv
    sys.argv = [*command, "--help"]
    try:
        with contextlib.redirect_stdout(told), contextlib.suppress(SystemExit):
            COMMANDS[command[0]].load()()
    finally:
        sys.argv = before
    return told.getvalue()


def unknown(command: str, given: list[str]) -> list[str]:
    """The words of a printed command that it would not take."""
    known = help_of(command)
    if given and given[0] in SUBCOMMANDS.get(command, ()):
        known = help_of(command, given[0])
    names = (OPTION.fullmatch(word.partition("=")[0]) for word in given)
    options = {match[0] for match in names if match}
    return sorted(option for option in options if not re.search(rf"(?<![\w-]){option}\b", known))


def test_each_of_our_commands_is_printed_somewhere() -> None:
    told = {command for page in PAGES for command, _ in printed((ROOT / page).read_text())}
    assert told == {*COMMANDS} == {*SUBCOMMANDS, "am-history"}


def test_what_a_command_would_not_take_is_found() -> None:
    page = "```python\nx\n```\n\n```console\n$ A=1 am-dbg why x --nothing=2 \\\n -i d # --c\n```\n"
    ((command, given),) = printed(page)
    assert command == "am-dbg"
    assert {"--nothing"} <= {*unknown(command, given)}
    assert unknown("am-node", ["map", "a:B", "--workers", "2", "--ordered"]) == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_printed_options_are_options(page: Path) -> None:
    wrong = {
        f"{command} {' '.join(given)}": lacking
        for command, given in printed((ROOT / page).read_text())
        if (lacking := unknown(command, given))
    }
    assert wrong == {}
