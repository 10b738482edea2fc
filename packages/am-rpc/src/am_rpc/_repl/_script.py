"""Scripts: files with a command on each line."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

import trio

from ._files import read_bounded
from ._outcome import Code, CommandError, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from ._machine import Repl

MAX_BYTES: Final = 1024 * 1024
MAX_DEPTH: Final = 8


def split(line: str) -> list[str]:
    """Return the words of a command line; none for a blank line or a `#` comment.

    Raises:
        CommandError: quotes are not closed.
    """
    if line.lstrip().startswith("#"):
        return []
    try:
        return shlex.split(line)
    except ValueError as error:
        raise CommandError(Code.USAGE, f"{error}: {line.strip()}") from error


async def run_script(repl: Repl, path: Path, depth: int) -> Outcome:
    """Run the commands of a file in order; stop at the first that fails, or at `exit`."""
    if depth >= MAX_DEPTH:
        raise CommandError(Code.USAGE, f"{path}: scripts nest deeper than {MAX_DEPTH}")
    try:
        data = await trio.to_thread.run_sync(read_bounded, path, MAX_BYTES)
    except OSError as error:
        raise CommandError(Code.USAGE, f"{path}: {error.strerror or error}") from error
    except ValueError as error:
        raise CommandError(Code.USAGE, str(error)) from error
    done = 0
    for number, line in enumerate(data.decode("utf-8", errors="replace").split("\n"), 1):
        where = f"{path}:{number}"
        try:
            words = split(line)
        except CommandError as error:
            raise CommandError(error.code, f"{where}: {error}") from error
        if not words:
            continue
        outcome = await repl.run(words, depth + 1)
        if outcome.code is not Code.OK:
            facts = {"commands": done, "line": number}
            return Outcome(outcome.code, data=facts, error=f"{where}: stopped")
        done += 1
        if outcome.ends_shell:
            return Outcome(data={"commands": done}, ends_shell=True)
    return Outcome(data={"commands": done})
