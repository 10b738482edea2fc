"""Text of others on its way to a terminal or a log: nothing in it is a command."""

from __future__ import annotations


def printable(text: str) -> str:
    """Return `text` with what a terminal would obey, or not show, as escapes; lines stay lines."""
    if text.isprintable():
        return text
    return "".join(
        [char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text]
    )
