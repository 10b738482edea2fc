"""Letters with `alt`, told as soon as they come.

Most terminals send an escape and the letter. Textual waits a tenth of a second whether more of a
sequence follows, though none begins with a small letter; and it looks at the clock ten times a
second only. With the letters among the sequences that it knows, it waits for none of them.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import MutableMapping


class _Name(NamedTuple):
    """The name of a key, as textual's table has it."""

    value: str


def know_alt_letters() -> None:
    """Add small letters after an escape to textual's table, but for those that it has. Where there
    is no such table any more they wait, as in other programs."""
    try:
        # There is no public way to it.
        from textual._ansi_sequences import ANSI_SEQUENCES_KEYS  # noqa: PLC2701
    except ImportError:
        return
    known = cast("MutableMapping[str, Any]", ANSI_SEQUENCES_KEYS)
    for letter in string.ascii_lowercase:
        known.setdefault(f"\x1b{letter}", (_Name(f"alt+{letter}"),))
