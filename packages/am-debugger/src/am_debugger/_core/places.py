"""Where the user was: deliberate changes of place, to go back to."""

from __future__ import annotations

from typing import NamedTuple

MOST_PLACES = 500
# Entries of one machine that are kept where they follow each other.
_MOST_IN_A_RUN = 2


class Place(NamedTuple):
    """A machine, a transition of it by number, and what else was chosen there."""

    serial: int
    number: int
    step: int = 0
    state: str = ""
    group: str = ""


class Places:
    """A list of places and a position in it."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._at = -1

    def __len__(self) -> int:
        return len(self._places)

    @property
    def current(self) -> Place | None:
        """The place last gone to."""
        return self._places[self._at] if self._places else None

    @property
    def all(self) -> tuple[Place, ...]:
        """All places, oldest first."""
        return tuple(self._places)

    def visit(self, place: Place) -> None:
        """The user went to a place; what was ahead is forgotten. Of those of one machine in a row
        the first and the last are kept."""
        del self._places[self._at + 1 :]
        if self._places and self._places[-1] == place:
            return
        run = 0
        for known in reversed(self._places):
            if known.serial != place.serial:
                break
            run += 1
        if run >= _MOST_IN_A_RUN:
            self._places.pop()
        self._places.append(place)
        del self._places[:-MOST_PLACES]
        self._at = len(self._places) - 1

    def back(self) -> Place | None:
        """The place before; None if there is none."""
        return self._move(self._at - 1)

    def forward(self) -> Place | None:
        """The place after; None if there is none."""
        return self._move(self._at + 1)

    def previous_machine(self) -> Place | None:
        """The last place before at another machine; None if there is none."""
        return self._other_machine(range(self._at - 1, -1, -1))

    def next_machine(self) -> Place | None:
        """The first place after at another machine; None if there is none."""
        return self._other_machine(range(self._at + 1, len(self._places)))

    def _other_machine(self, positions: range) -> Place | None:
        current = self.current
        for position in positions:
            if current is not None and self._places[position].serial != current.serial:
                return self._move(position)
        return None

    def _move(self, position: int) -> Place | None:
        if not 0 <= position < len(self._places):
            return None
        self._at = position
        return self._places[position]

    def forget(self, serial: int) -> None:
        """A machine was removed: its places go."""
        kept = [place for place in self._places if place.serial != serial]
        before = [place for place in self._places[: self._at + 1] if place.serial != serial]
        self._places = kept
        self._at = len(before) - 1 if before else min(0, len(kept) - 1)
