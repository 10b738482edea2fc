"""Calls of one machine that are refused, and have not been accepted since."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

from ..._store.layout import KINDS, REFUSED, Kept

if TYPE_CHECKING:
    from ..._store.client import Client

MOST_CALLS = 1000
"""Calls that are remembered; those refused the longest ago go first."""

Call = tuple[int, tuple[int, ...]]
"""The kind by number, and the states."""
_KIND = int(Kept.KIND)
_IGNORED = int(Kept.QUEUED | Kept.CHECK)


@dataclass(slots=True)
class Streak:
    """A call that is refused again and again."""

    first: int
    last: int
    count: int
    is_auto: bool


class Refusals:
    """Streaks that go on, by what is called."""

    def __init__(self) -> None:
        self.streaks: dict[Call, Streak] = {}

    def look(self, client: Client, first: int, last: int) -> None:
        """Go through transitions that came."""
        marks = client.columns.marks[first - client.first : last - client.first + 1]
        refused = marks.translate(REFUSED)
        if not self.streaks and not any(refused):
            return
        number = first
        for chunk, start, end in client.columns.pieces(first, last):
            piece = refused[number - first : number - first + end - start]
            called = chunk.called[start:end]
            wanted = {chunk.calls[shape].states for shape in compress(called, piece)}
            wanted.update([states for _, states in self.streaks])
            of_interest = bytes([call.states in wanted for call in chunk.calls])
            shown = map(of_interest.__getitem__, called)
            for k in compress(range(end - start), shown):
                self._note(client, number + k, chunk.calls[called[k]].states)
            number += end - start

    def _note(self, client: Client, number: int, states: tuple[int, ...]) -> None:
        kept = client.columns.kept[number - client.first]
        if kept & _IGNORED:
            return
        call = (kept & _KIND, states)
        if not REFUSED[client.columns.marks[number - client.first]]:
            self.streaks.pop(call, None)
            return
        streak = self.streaks.pop(call, None)
        if streak is None:
            streak = Streak(number, number, 0, bool(kept & Kept.AUTO))
            if len(self.streaks) >= MOST_CALLS:
                del self.streaks[next(iter(self.streaks))]
        streak.last, streak.count = number, streak.count + 1
        self.streaks[call] = streak


def call_text(client: Client, call: Call, number: int) -> str:
    """A call in short: `add Foo Bar`."""
    names = client.version_at(number).names
    return f"{KINDS[call[0]]} {' '.join([names[i] for i in call[1]])}"
