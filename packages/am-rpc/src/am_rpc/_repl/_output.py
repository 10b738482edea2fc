"""Showing outcomes, on a terminal, in a pipe, or as JSON.

This is the only place that writes, and everything it writes is escaped: ids, states, args and
errors come from machines elsewhere, and a terminal obeys what it reads.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from io import StringIO
from typing import TYPE_CHECKING, Final, TextIO

from .._escape import escape

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table as RichTable
    from rich.text import Text

    from ._outcome import Outcome, Table

# Wide enough for any row: in a pipe nothing is folded.
_PIPE_WIDTH: Final = 100_000
# Switches by which a stream may count as a terminal though it is none.
_AS_TERMINAL: Final = ("FORCE_COLOR", "TTY_COMPATIBLE")
# Characters of what could not be written that are told instead.
_MOST_TOLD: Final = 2000


class Output:
    """Writes outcomes to stdout and faults to stderr, as text or as one JSON document a line.

    `lost` says what stdout did not take and why, "" if whoever read it has left, as `head` does;
    None as long as all was written. `on_lost` is called when that happens; what is still to come
    goes nowhere. Where there is no stderr, faults are told to nobody.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.lost: str | None = None
        self.on_lost: Callable[[], None] = lambda: None

    def show(self, command: str, outcome: Outcome) -> None:
        """Write an outcome."""
        if self.as_json:
            self._show_json(command, outcome)
            return
        for line in outcome.lines:
            self._write(_line(sys.stdout, line))
        if outcome.table is not None:
            self._write(_rendered(sys.stdout, _rich_table(outcome.table)))
        if outcome.error:
            self.fault(outcome.error)

    def _show_json(self, command: str, outcome: Outcome) -> None:
        document = {"command": command, "ok": outcome.code == 0, "code": int(outcome.code)}
        if outcome.error:
            document["error"] = outcome.error
        # ASCII only, so whatever a machine says is harmless.
        self._write(json.dumps(document | outcome.data) + "\n")

    def _write(self, text: str) -> None:
        if self.lost is not None or sys.stdout is None:
            return
        try:
            _write(sys.stdout, text)
        except (OSError, ValueError) as error:
            told = " ".join(text.split())
            self.lose(error, f"; not written: {told[:_MOST_TOLD]}")

    def lose(self, error: OSError | ValueError, told: str = "") -> None:
        """Take note that stdout failed, and of what is to be told besides that."""
        self.lost = "" if isinstance(error, BrokenPipeError) else f"stdout: {error}{told}"
        _forget(sys.stdout)
        self.on_lost()

    def fault(self, text: str) -> None:
        """Write a fault to stderr."""
        _tell(text, "red")

    def notice(self, text: str) -> None:
        """Write a line of news to stderr."""
        _tell(text, "dim")


def _tell(text: str, style: str) -> None:
    if sys.stderr is None:  # a console without a file writes to stdout
        return
    try:
        _write(sys.stderr, _line(sys.stderr, text, style))
    except (OSError, ValueError):
        # Nobody can be told.
        _forget(sys.stderr)


def _line(file: TextIO, text: str, style: str = "") -> str:
    """What a console would write to `file` of a text, which is one line once it is escaped."""
    text = escape(text)
    if not (_is_terminal(file) or any(map(os.environ.get, _AS_TERMINAL))):
        return text.rstrip() + "\n"
    # Here, as in pipes lines are just written: its import is a good part of the time of a command.
    from rich.text import Text

    return _rendered(file, Text(text, style=style))


def _is_terminal(file: TextIO | None) -> bool:
    try:
        return file is not None and file.isatty()
    except ValueError:  # it is closed
        return False


def _rendered(file: TextIO, what: Text | RichTable) -> str:
    """What a console would write to `file`, which is not touched: it may take nothing."""
    from rich.console import Console
    from rich.text import Text

    real, paper = Console(file=file), StringIO()
    console = Console(
        file=paper,
        force_terminal=real.is_terminal,
        color_system=real.color_system,  # type: ignore[arg-type]
        width=real.width if real.is_terminal else _PIPE_WIDTH,
        markup=False,
        highlight=False,
        emoji=False,
        soft_wrap=True,
    )
    console.print(what, soft_wrap=isinstance(what, Text))
    # A table pads its last column.
    return "\n".join(line.rstrip() for line in paper.getvalue().split("\n"))


def _write(file: TextIO, text: str) -> None:
    # Of characters that the encoding lacks, as in an old locale, escapes are written.
    encoding = file.encoding or "utf-8"
    file.write(text.encode(encoding, "backslashreplace").decode(encoding))
    file.flush()


def _forget(file: TextIO) -> None:
    """Have nothing that is still to be written reach this file, at the interpreter's end either."""
    with suppress(OSError, ValueError):
        empty = os.open(os.devnull, os.O_WRONLY)
        os.dup2(empty, file.fileno())
        os.close(empty)


def _rich_table(table: Table) -> RichTable:
    from rich.table import Table as RichTable
    from rich.text import Text

    made = RichTable(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in table.header:
        made.add_column(Text(name), overflow="fold")
    for row in table.rows:
        made.add_row(*(Text(escape(cell)) for cell in row))
    return made
