"""Queries: one line that says which transitions are meant. One grammar for filters, search, jumps,
`inspect --where`, `wait` and agents.

Terms are separated by blanks and must all hold; `!` before a term turns it round.

* `+Ready`, `-Start`: became active, inactive;  `Ready`: was called;  `@Ready`: active afterwards
* `accepted canceled queued auto auto-canceled check empty health error lost`: of that kind
* `connected rpc`: of a machine that is connected, that is one of RPC
* `kind:add`, `id:worker-*`, `src:worker-1`, `tag:pool`, `group:Flow`: patterns with `*` and `?`;
  `group:` with nothing behind means the group that is chosen on the screen
* `arg.id=3`, `arg.name~part`: a logged argument is, or contains, a text
* `"disk full"`: a text in what was logged, of whatever case
* `dur>10ms`, `gained>=2`, `t<100`, `q=5`, `n>10`: duration, ticks gained, machine time, queue tick,
  number; durations with us, ms or s

A value with blanks stands in quotes, in which `\\` takes the next character as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import compress
from typing import TYPE_CHECKING, Any

from .._errors import QueryError
from .._store.tx import rest_of, rests_of
from .sieves import FEW
from .terms import Meaning, meaning_of, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .._store.client import Client
    from .._store.store import Store

SLICE = 512
"""Transitions looked at between two turns of others."""
_LONGEST = 2000
_TERM = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, and where in the query it stands."""

    text: str
    start: int
    end: int
    is_negated: bool
    meaning: Meaning = field(compare=False)

    def holds(self, store: Store, client: Client, number: int) -> bool:
        """Whether it holds for a transition."""
        return self.meaning.test(store, client, number) is not self.is_negated


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold."""

    text: str
    terms: tuple[Term, ...]

    @property
    def word(self) -> str:
        """A text or the name of a state that it looks for, to be marked where it stands; empty, if
        there is none."""
        for term in self.terms:
            if not term.is_negated and (found := word_of(term.text)):
                return found
        return ""

    def matches(self, store: Store, client: Client, number: int) -> bool:
        """Whether a transition is meant.

        :raises IndexError: if it is not kept.
        """
        return all([term.holds(store, client, number) for term in self.terms])

    def find(self, client: Client, limit: int = SLICE) -> Iterator[list[int]]:
        """The transitions of a machine that are meant, in slices of `limit` looked at."""
        number = client.first
        while number <= client.last:
            # Older ones may have been dropped meanwhile.
            number = max(number, client.first)
            end = min(client.last, number + limit - 1)
            yield self.within(client, number, end)
            number = end + 1

    def within(self, client: Client, first: int, last: int) -> list[int]:
        """Those of transitions `first` to `last`, both kept, that are meant.

        A thousand take a millisecond or two, if what is packed has to be looked at.
        """
        return list(compress(range(first, last + 1), self.held(client, first, last)))

    def held(self, client: Client, first: int, last: int) -> bytearray:
        """The same as bytes, 1 for each that is meant."""
        size = last - first + 1
        ones = int.from_bytes(b"\1" * size, "big")
        left, unsure = ones, 0
        for term in self.terms:
            sieve, judge = term.meaning.sieve, term.meaning.judge
            held = ones if sieve is None else int.from_bytes(sieve(client, first, last), "big")
            if judge is not None:
                # Only where the sieve lets them through the term may hold.
                unsure |= held
                held = 0 if term.is_negated else held
            left &= held ^ ones if term.is_negated else held
            if not left:
                return bytearray(size)
        shown = bytearray(left.to_bytes(size, "big"))
        unsure &= left
        if unsure:
            numbers = list(compress(range(first, last + 1), unsure.to_bytes(size, "big")))
            for number, is_meant in zip(numbers, self._judged(client, numbers), strict=True):
                shown[number - first] = is_meant
        return shown

    def _judged(self, client: Client, numbers: list[int]) -> bytes:
        """A byte for each transition: 1 if what is packed of it is meant."""
        first, last, size = numbers[0], numbers[-1], len(numbers)
        rests: Sequence[Sequence[Any]]
        if size * FEW > last - first:
            rests = rests_of(client.columns, first, last)
            if len(rests) > size:
                rests = [rests[number - first] for number in numbers]
        else:
            rests = [rest_of(client.columns, number) for number in numbers]
        ones = int.from_bytes(b"\1" * size, "big")
        left = ones
        for term in self.terms:
            if term.meaning.judge is not None:
                held = int.from_bytes(bytes(term.meaning.judge(client, numbers, rests)), "big")
                left &= held ^ ones if term.is_negated else held
        return left.to_bytes(size, "big")


def parse_query(text: str) -> Query:
    """Read a query.

    :raises QueryError: if a term is none; it tells where.
    """
    if len(text) > _LONGEST:
        raise QueryError(text, _LONGEST, len(text), f"longer than {_LONGEST} characters")
    terms: list[Term] = []
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return Query(text, tuple(terms))
        found = _TERM.match(text, position)
        if found is None:
            raise QueryError(text, position, len(text), "a quote is not closed")
        terms.append(_term(text, position, found.end()))
        position = found.end()


def _term(query: str, start: int, end: int) -> Term:
    text = query[start:end]
    is_negated = text.startswith("!")
    try:
        meaning = meaning_of(text[1:] if is_negated else text)
    except ValueError as exc:
        raise QueryError(query, start, end, str(exc)) from exc
    return Term(text, start, end, is_negated, meaning)
