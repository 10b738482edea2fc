"""The filter buttons as a query, and back: what a button hides is a term with `!` in front."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from .filters import Filters
from .query import Query, parse_query
from .terms import quoted, unquoted

if TYPE_CHECKING:
    from .query import Term

_TERMS = {
    "canceled": "!canceled",
    "queued": "!queued",
    "auto": "!auto",
    "auto_canceled": "!auto-canceled",
    "empty": "!empty",
    "health": "!health",
    "checks": "!check",
}
_FIELDS = {term: field for field, term in _TERMS.items()}
_CONNECTED, _NOT_RPC = "connected", "!rpc"
_GROUP = "group:"
_WILD = re.compile(r"[*?\[]")
_ESCAPED = re.compile(r"\[([*?\[])\]")


class Buttons(NamedTuple):
    """What the filter buttons say, and what else a query says."""

    filters: Filters
    group: str = ""
    """The chosen group of states, empty: none; known only if it filters."""
    hides_gone: bool = False
    """Machines that are not connected are not listed."""
    hides_rpc: bool = False


def written(buttons: Buttons) -> str:
    """The query that the buttons write, with what else was asked for at its end."""
    filters = buttons.filters
    words = [term for field, term in _TERMS.items() if getattr(filters, field)]
    if filters.out_group:
        words.append(_GROUP + (quoted(_escaped(buttons.group)) if buttons.group else ""))
    if buttons.hides_gone:
        words.append(_CONNECTED)
    if buttons.hides_rpc:
        words.append(_NOT_RPC)
    if filters.query is not None:
        words.append(filters.query.text)
    return " ".join(words)


def read(text: str) -> Buttons:
    """What the buttons say after a query was given as a filter; the terms that no button stands for
    are left as `filters.query`.

    :raises QueryError: if it is none.
    """
    pressed = dict.fromkeys(_TERMS, False)
    group: str | None = None
    hides_gone = hides_rpc = False
    others: list[Term] = []
    for term in parse_query(text).terms:
        named = _named_group(term.text)
        if term.text in _FIELDS:
            pressed[_FIELDS[term.text]] = True
        elif named is not None and group in (None, named):
            group = named
        elif term.text == _CONNECTED:
            hides_gone = True
        elif term.text == _NOT_RPC:
            hides_rpc = True
        else:
            others.append(term)
    if pressed["auto"]:
        pressed["auto_canceled"] = False  # the buttons exclude each other, and this one hides both
    query = _joined(others) if others else None
    filters = Filters(**pressed, out_group=group is not None, query=query)
    return Buttons(filters, group or "", hides_gone, hides_rpc)


def _joined(terms: list[Term]) -> Query:
    return parse_query(" ".join([term.text for term in terms]))


def _named_group(text: str) -> str | None:
    """The group that a term names: empty for the one that is chosen; None if it is another term,
    or a pattern."""
    if not text.startswith(_GROUP):
        return None
    pattern = unquoted(text[len(_GROUP) :])
    if _WILD.search(_ESCAPED.sub("", pattern)):
        return None
    return _ESCAPED.sub(r"\1", pattern)


def _escaped(name: str) -> str:
    """A name as a pattern that means it alone."""
    return _WILD.sub(r"[\g<0>]", name)
