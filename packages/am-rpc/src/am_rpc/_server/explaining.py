"""What a client is told of why a mutation comes out as it does."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .._options import Access

_MOST_LINES: Final = 64
_LONGEST: Final = 1024
_WORD: Final = r"\w+"
# Where a handler is written, which no client is told.
_PLACE: Final = r"(?s) \(.*, line \d+\)$"
_RAISED: Final = r"(?s)( raised \w+): .*"


def told_reasons(
    reasons: Iterable[str], names: Sequence[str], readable: frozenset[str] | None, access: Access
) -> list[str]:
    """Return reasons fit for a client.

    States that it may not follow are `?`, in names of handlers, too. Paths are left out, and so
    are texts of errors unless it is told of those.

    Args:
        reasons: sentences of an explanation.
        names: all states of the source.
        readable: those that the client may follow, None for all.
        access: what else it may do.
    """
    hidden = () if readable is None else tuple(name for name in names if name not in readable)
    known = frozenset(names if readable is None else readable)
    told = []
    for line in reasons:
        line = re.sub(_PLACE, "", line)
        if not access.errors:
            line = re.sub(_RAISED, r"\1", line)
        if hidden:
            line = re.sub(_WORD, lambda word: _masked(word[0], hidden, known), line)
        told.append(line[:_LONGEST])
    return told[:_MOST_LINES]


def _masked(word: str, hidden: tuple[str, ...], known: frozenset[str]) -> str:
    if word in known:
        return word
    tells = any(word.startswith(name) or word.endswith(name) for name in hidden)
    return "?" if tells else word
