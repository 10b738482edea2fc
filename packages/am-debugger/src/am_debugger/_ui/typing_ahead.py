"""Search by typing in a list: what was typed lately, and which row it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

PAUSE = 1.5
"""Seconds after which a letter begins a new word."""
# Names of keys that are characters of names.
_NAMED = {"minus": "-", "underscore": "_"}


def letter_of(key: str) -> str:
    """The character that a key adds to the search; empty if it is none."""
    if len(key) == 1 and key.isascii() and (key.isalnum()):
        return key.lower()
    return _NAMED.get(key, "")


class TypingAhead:
    """What is typed within a pause of each other makes one word."""

    def __init__(self) -> None:
        self._typed = ""
        self._at = float("-inf")

    def typed(self, letter: str, now: float, names: Sequence[str], cursor: int) -> int | None:
        """A letter was typed at a time in seconds: the row that the word means, searched from the
        cursor on and round; names that begin with it come before those that hold it."""
        is_new = now - self._at > PAUSE
        self._typed = letter if is_new else self._typed + letter
        self._at = now
        count = len(names)
        start = cursor + 1 if is_new else cursor
        order = [(start + k) % count for k in range(count)] if count else []
        words = [names[k].casefold() for k in order]
        for k, word in zip(order, words, strict=True):
            if word.startswith(self._typed):
                return k
        for k, word in zip(order, words, strict=True):
            if self._typed in word:
                return k
        return None
