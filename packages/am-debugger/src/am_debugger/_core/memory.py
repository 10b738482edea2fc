"""When memory is looked at, and who has to wait while it is short."""

from __future__ import annotations

LOOK_SHARE = 64
"""Once memory is at the cap, it is looked at each time that this part of the cap came in. What is
kept of a message may be some sixteen times as long as that was: a quarter of the cap at worst."""
_LONGER = 16
_MOST = 16 << 20
# How far beyond the cap memory may be, as a part of it, before what comes in has to wait.
_BEYOND = 8


class Memory:
    """What is held, and how much may come in until that is looked at again: the number of looks
    follows what comes in, not the clock, so that a cap is a cap at any rate."""

    def __init__(self) -> None:
        self.held = 0
        """Bytes held when that was looked at last."""
        self._cap = 0
        self._taken = 0
        self._due = 0

    def took(self, nbytes: int) -> bool:
        """So many bytes came in; whether it is time for a look."""
        self._taken += nbytes
        return self._taken >= self._due

    def looked(self, held: int, cap: int) -> None:
        """So much is held, of what may be."""
        self.held, self._cap, self._taken = held, cap, 0
        self._due = min(max(cap // LOOK_SHARE, (cap - held) // _LONGER), _MOST)

    @property
    def is_over(self) -> bool:
        """Whether more is held than may be."""
        return self.held > self._cap

    @property
    def is_short(self) -> bool:
        """Whether so much more is held that nothing should come in until there is room."""
        return self.held > self._cap + self._cap // _BEYOND
