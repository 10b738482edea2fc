"""Text from elsewhere, made harmless for logs and terminals, which obey what they read."""

from __future__ import annotations


def escape(text: str) -> str:
    """Return the text with everything that is not printable, newlines too, as a visible escape."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )
