"""The commands that work on dumps and need no screen. Each is imported when it is run: what the
screen needs of them it imports itself, and the libraries of some take half a second."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = {
    "inspect": "inspect",
    "render": "dump_commands",
    "cut": "dump_commands",
    "why": "run_commands",
    "diff": "run_commands",
    "lint": "lint",
    "test": "run_commands",
    "export-html": "export_html",
    "profile": "profile",
    "pending": "pending",
    "wait": "wait",
    "mcp": "mcp",
}
"""Each command, and the module that has a function of its name."""


def run_command(argv: list[str]) -> int:
    """Run one of `COMMANDS`, given with its arguments, and return the exit code."""
    name, *words = argv
    module = import_module(f"{__package__}.{COMMANDS[name]}")
    command: Callable[[list[str]], int] = getattr(module, name.replace("-", "_"))
    try:
        code = command([_told_from_options(word) for word in words])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has left, as `head` does; nothing may be written when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _told_from_options(word: str) -> str:
    """A query such as `-Ready` with a blank before it, by which argparse knows that it is no
    option: options are in small letters."""
    return f" {word}" if word[:1] == "-" and word[1:2].isupper() else word
