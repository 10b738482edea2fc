"""What a command comes to: a value that is shown as text or as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from .._errors import EncodeError, NetworkError, NetworkTimeout, RpcError


class Code(IntEnum):
    """Exit codes of `arpc`."""

    OK = 0
    NO = 1  # canceled, or no machine matches
    USAGE = 2
    NOT_CONNECTED = 3
    TIMEOUT = 4
    UNWRITTEN = 5  # it was done, or nothing was begun, and stdout takes no word of it
    INTERRUPTED = 130  # as shells have it for Ctrl+C


class CommandError(Exception):
    """A command cannot be done; `code` is the exit code that says why."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under a header. Cells are plain text, escaped when they are shown."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Result of a command.

    `data` is what `--json` prints beside `ok` and `code`; `lines` and `table` are the text form,
    `error` goes to stderr. Nothing in them is escaped yet.
    """

    code: Code = Code.OK
    data: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    table: Table | None = None
    error: str = ""
    ends_shell: bool = False


def code_of(error: RpcError) -> Code:
    """Return the exit code that fits an error of a connection."""
    match error:
        case NetworkTimeout():
            return Code.TIMEOUT
        case NetworkError():
            return Code.NOT_CONNECTED
        case EncodeError():
            return Code.USAGE
        case _:
            return Code.NO
