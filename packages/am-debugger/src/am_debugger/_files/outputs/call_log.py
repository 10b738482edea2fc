"""Handlers of a machine in the order in which they ran, as Python files that can be run.

A file has the stubs of so many transitions, and a list of calls; run, it makes these calls.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ..._derive.url import format_time
from ..inspect import inert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..._core.session import Session
    from ..._store.client import Client

CALLS_OF_FILE = 1000
"""Transitions that one file tells."""
MOST_FILES = 20
"""Of a machine; older transitions are left out."""
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HEAD = '''"""Handlers of {id} in order of call, transitions {first} to {last}.

Stubs to fill in, and to run: python {file}
"""

from __future__ import annotations

from typing import Any


class Handlers:
    """What ran."""
'''
_STUB = '''
    def {name}(self, event: Any = None) -> None:
        """Ran first in transition {number}."""
'''
_TAIL = '''

def main() -> None:
    """Make the calls in order."""
    handlers = Handlers()
    for number, name in CALLS:
        print(number, name)
        getattr(handlers, name)()


if __name__ == "__main__":
    main()
'''


class CallFile(NamedTuple):
    """One file: the transitions that it may tell, and its text."""

    name: str
    first: int
    last: int
    text: str


def call_files(session: Session, client: Client, since: int) -> Iterator[CallFile | None]:
    """The files with transitions from `since` on, in small steps; a step that made none is None.

    A file is named by the first transition that it may tell, so that it can be written again when
    more is known.
    """
    oldest = max(client.first, client.last - CALLS_OF_FILE * MOST_FILES + 1, 1)
    start = (max(since, oldest) - 1) // CALLS_OF_FILE * CALLS_OF_FILE + 1
    for first in range(start, client.last + 1, CALLS_OF_FILE):
        calls: list[tuple[int, int, str]] = []
        last = min(first + CALLS_OF_FILE - 1, client.last)
        for number in range(first, last + 1):
            # What is old may go between two steps.
            if number >= client.first:
                calls += _calls(session, client, number)
            yield None
        if calls:
            name = f"{first:09d}.py"
            yield CallFile(name, first, last, _text(client, name, first, last, calls))


def _calls(session: Session, client: Client, number: int) -> Iterator[tuple[int, int, str]]:
    """The handlers that a transition ran, as far as is known: to the one that stopped it."""
    parsed = session.parser.parse(client, number)
    tx, told = parsed.tx, parsed.explanation
    if tx.is_queued:
        return
    stopped = {*told.vetoed, told.failed}
    for name in [run for run, _ in tx.runs] or told.handlers:
        # What others sent as a name of a handler becomes code only if it is a name.
        if _NAME.fullmatch(name):
            yield number, tx.time, name
        if not tx.runs and name in stopped:
            return


def _text(
    client: Client, file: str, first: int, last: int, calls: list[tuple[int, int, str]]
) -> str:
    seen: dict[str, int] = {}
    for number, _, name in calls:
        seen.setdefault(name, number)
    quoted = inert(client.id).replace("\\", "\\\\").replace('"', "'")
    parts = [_HEAD.format(id=quoted, first=first, last=last, file=file)]
    parts += [_STUB.format(name=name, number=number) for name, number in seen.items()]
    parts.append("\n\n# Transition, handler, and when it was.\nCALLS = (\n")
    parts += [f'    ({n}, "{name}"),  # {format_time(time)}\n' for n, time, name in calls]
    parts += [")\n", _TAIL]
    return "".join(parts)
