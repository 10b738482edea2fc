"""Showing outcomes, on a terminal, in a pipe, or as JSON.

This is the only place that writes, and everything it writes is escaped: ids, states, args and
errors come from machines elsewhere, and a terminal obeys what it reads.
"""

from __future__ import annotations

import json
import os
import sys
from typing import IO, TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from .._escape import escape

if TYPE_CHECKING:
    from ._outcome import Outcome, Table

# Wide enough for any row: in a pipe nothing is folded.
_PIPE_WIDTH: Final = 100_000


class Output:
    """Writes outcomes to stdout and faults to stderr, as text or as one JSON document a line."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json

    def show(self, command: str, outcome: Outcome) -> None:
        """Write an outcome."""
        if self.as_json:
            self._show_json(command, outcome)
            return
        console = _console(sys.stdout)
        for line in outcome.lines:
            _print(console, Text(escape(line)))
        if outcome.table is not None:
            _print(console, _rich_table(outcome.table))
        if outcome.error:
            self.fault(outcome.error)

    @staticmethod
    def _show_json(command: str, outcome: Outcome) -> None:
        document = {"command": command, "ok": outcome.code == 0, "code": int(outcome.code)}
        if outcome.error:
            document["error"] = outcome.error
        # ASCII only, so whatever a machine says is harmless.
        _write(sys.stdout, json.dumps(document | outcome.data) + "\n")

    def fault(self, text: str) -> None:
        """Write a fault to stderr."""
        _print(_console(sys.stderr), Text(escape(text), style="red"))

    def notice(self, text: str) -> None:
        """Write a line of news to stderr."""
        _print(_console(sys.stderr), Text(escape(text), style="dim"))


def _console(file: IO[str]) -> Console:
    console = Console(file=file, markup=False, highlight=False, emoji=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    return console


def _print(console: Console, what: Text | RichTable) -> None:
    with console.capture() as capture:
        console.print(what, soft_wrap=isinstance(what, Text))
    lines = capture.get().split("\n")
    # A table pads its last column.
    _write(console.file, "\n".join(line.rstrip() for line in lines))


def _write(file: IO[str], text: str) -> None:
    try:
        file.write(text)
        file.flush()
    except BrokenPipeError:
        # The reader has left, as `head` does; what is still to come goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), file.fileno())


def _rich_table(table: Table) -> RichTable:
    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in table.header:
        made.add_column(Text(name), overflow="fold")
    for row in table.rows:
        made.add_row(*(Text(escape(cell)) for cell in row))
    return made
