"""Queries: one line that says which transitions are meant.

Terms are separated by blanks and must all hold; `!` before a term turns it round.

* `+Ready`, `-Start`: became active, inactive;  `Ready`: was called;  `@Ready`: active afterwards
* `accepted canceled queued auto check empty health error lost`: of that kind
* `kind:add`, `id:worker-*`, `src:worker-1`, `tag:pool`, `group:Flow`: patterns with `*` and `?`
* `arg.id=3`, `arg.name~part`: a logged argument is, or contains, a text
* `dur>10ms`, `gained>=2`, `t<100`, `q=5`, `n>10`: duration, ticks gained, machine time, queue tick,
  number; durations with us, ms or s
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate
from itertools import compress
from typing import TYPE_CHECKING

from .._errors import QueryError
from .._store.layout import Kept, Mark
from .._store.tx import args_of, duration_of
from . import sieves

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .._store.chunk import Called
    from .._store.client import Client
    from .._store.store import Store
    from .._store.tx import Tx
    from .sieves import Sieve

SLICE = 1024
"""Transitions looked at between two turns of others."""
_LONGEST = 2000
_TERM = re.compile(r'(?:[^\s"]|"(?:[^"\\]|\\.)*")+')
_STATE = re.compile(r"[A-Z][A-Za-z0-9_]*")
_COMPARISON = re.compile(r"(dur|gained|t|q|n)(<=|>=|<|>|=)(.*)")
_ARG = re.compile(r"arg\.([^=~]+)([=~])(.*)", re.DOTALL)
_DURATION = re.compile(r"(\d{1,12})(us|ms|s)?", re.ASCII)
_UNITS = {None: 1, "us": 1, "ms": 1000, "s": 1_000_000}
_OPERATORS = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq
}  # fmt: skip
_MARKS = {
    "canceled": Mark.CANCELED,
    "queued": Mark.QUEUED,
    "auto": Mark.AUTO | Mark.AUTO_CANCELED,
    "check": Mark.CHECK,
    "empty": Mark.EMPTY,
    "health": Mark.HEALTH,
    "lost": Mark.LOST,
}
_KEPT = {"accepted": Kept.ACCEPTED, "error": Kept.ERROR}
WORDS = (*_MARKS, *_KEPT)

Test = Callable[["Store", "Client", int], bool]


@dataclass(frozen=True, slots=True)
class Term:
    """One condition, and where in the query it stands."""

    text: str
    start: int
    end: int
    is_negated: bool
    test: Test
    sieve: Sieve | None = None
    """The same for many transitions at a time, where there is such a way."""

    def holds(self, store: Store, client: Client, number: int) -> bool:
        """Whether it holds for a transition."""
        return self.test(store, client, number) is not self.is_negated


@dataclass(frozen=True, slots=True)
class Query:
    """Conditions that must all hold."""

    text: str
    terms: tuple[Term, ...]

    def matches(self, store: Store, client: Client, number: int) -> bool:
        """Whether a transition is meant.

        :raises IndexError: if it is not kept.
        """
        return all([term.holds(store, client, number) for term in self.terms])

    def find(self, store: Store, client: Client, limit: int = SLICE) -> Iterator[list[int]]:
        """The transitions of a machine that are meant, in slices of `limit` looked at."""
        number = client.first
        while number <= client.last:
            # Older ones may have been dropped meanwhile.
            number = max(number, client.first)
            end = min(client.last, number + limit - 1)
            yield self._find(store, client, number, end)
            number = end + 1

    def _find(self, store: Store, client: Client, first: int, last: int) -> list[int]:
        size = last - first + 1
        ones = int.from_bytes(b"\1" * size, "big")
        left, others = ones, []
        for term in self.terms:
            sieve = term.sieve
            is_sure = sieve is not None and sieve.is_exact
            if not is_sure:
                others.append(term)
            if sieve is not None and (is_sure or not term.is_negated):
                held = int.from_bytes(sieve.range(client, first, last), "big")
                left &= held ^ ones if term.is_negated else held
                if not left:
                    return []
        numbers = compress(range(first, last + 1), left.to_bytes(size, "big"))
        if not others:
            return list(numbers)
        return [n for n in numbers if all(term.holds(store, client, n) for term in others)]


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
        test, sieve = _test(text[1:] if is_negated else text)
    except ValueError as exc:
        raise QueryError(query, start, end, str(exc)) from exc
    return Term(text, start, end, is_negated, test, sieve)


def _test(text: str) -> tuple[Test, Sieve | None]:
    if text in _MARKS:
        return _mark_test(int(_MARKS[text])), sieves.by_marks(int(_MARKS[text]))
    if text in _KEPT:
        return _kept_test(int(_KEPT[text])), sieves.by_kept(int(_KEPT[text]))
    if text[:1] in ("+", "-", "@"):
        name = _state(text[1:])
        return _state_test(text[0], name), sieves.by_activity(name, text[0])
    if _STATE.fullmatch(text):
        return _state_test("", text), sieves.by_call(_calls(text))
    if found := _COMPARISON.fullmatch(text):
        return _comparison(*found.groups())
    if found := _ARG.fullmatch(text):
        name, sign, value = _unquoted(found[1]), found[2], _unquoted(found[3])
        forms = sieves.packed_forms(value) if sign == "=" else ()
        texts = (name.encode("utf-8", "surrogatepass"),)
        return _arg_test(name, sign, value), sieves.by_rest(texts, one_of=forms)
    name, colon, pattern = text.partition(":")
    if colon and name in _PATTERNS:
        matches = re.compile(translate(_unquoted(pattern))).match
        return _pattern(name, lambda one: matches(one) is not None)
    raise ValueError("no such term")


def _state(text: str) -> str:
    if not _STATE.fullmatch(text):
        raise ValueError("not the name of a state")
    return text


def _unquoted(text: str) -> str:
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def _mark_test(mark: int) -> Test:
    def test(store: Store, client: Client, number: int) -> bool:
        columns = client.columns
        return columns.marks[number - columns.first] & mark != 0

    return test


def _kept_test(bit: int) -> Test:
    def test(store: Store, client: Client, number: int) -> bool:
        columns = client.columns
        return columns.kept[number - columns.first] & bit != 0

    return test


def _state_test(what: str, name: str) -> Test:
    def index(client: Client, number: int) -> int:
        return client.version_at(number).schema.schema.index.get(name, -1)

    def called(store: Store, client: Client, number: int) -> bool:
        return index(client, number) in client.columns.called(number)

    def active(store: Store, client: Client, number: int) -> bool:
        i = index(client, number)
        return i >= 0 and client.clock_after(number)[i] % 2 == 1

    def moved(store: Store, client: Client, number: int) -> bool:
        i = index(client, number)
        gained = dict(client.columns.diff(number).pairs).get(i, 0)
        if gained % 2 == 0:
            return False
        return (client.clock_after(number)[i] % 2 == 1) is (what == "+")

    return {"": called, "@": active}.get(what, moved)


def _calls(name: str) -> Callable[[Client, Called], bool]:
    def wanted(client: Client, call: Called) -> bool:
        return client.version.schema.schema.index.get(name, -1) in call.states

    return wanted


def _comparison(name: str, sign: str, value: str) -> tuple[Test, Sieve | None]:
    compare = _OPERATORS[sign]
    found = _DURATION.fullmatch(value)
    if found is None or (found[2] and name != "dur"):
        raise ValueError("a number is missing")
    wanted = int(found[1]) * _UNITS[found[2]]

    def test(store: Store, client: Client, number: int) -> bool:
        columns = client.columns
        if name == "dur":
            took = duration_of(columns, number)
            return took is not None and bool(compare(took, wanted))
        if name == "gained":
            return bool(compare(columns.diff(number).gained, wanted))
        if name == "n":
            return bool(compare(number, wanted))
        column = columns.sums if name == "t" else columns.queue_ticks
        return bool(compare(column.shown[number - columns.first], wanted))

    def is_meant(value: int) -> bool:
        return bool(compare(value, wanted))

    sieve = {
        "gained": sieves.by_diff(lambda diff: is_meant(diff.gained)),
        "n": sieves.by_number(is_meant),
        "t": sieves.by_column(lambda client: client.columns.sums, is_meant),
        "q": sieves.by_column(lambda client: client.columns.queue_ticks, is_meant),
    }.get(name)
    return test, sieve


def _arg_test(name: str, sign: str, value: str) -> Test:
    def test(store: Store, client: Client, number: int) -> bool:
        args = args_of(client.columns, number)
        if name not in args:
            return False
        shown = str(args[name])
        return value in shown if sign == "~" else value in (shown, shown.removeprefix("…"))

    return test


Matches = Callable[[str], bool]


def _of_machine(text_of: Callable[[Client], list[str]]) -> Callable[[Matches], Test]:
    def made(matches: Matches) -> Test:
        return lambda store, client, number: any(map(matches, text_of(client)))

    return made


def _of_tx(text_of: Callable[[Client, Tx], list[str]]) -> Callable[[Matches], Test]:
    def made(matches: Matches) -> Test:
        def test(store: Store, client: Client, number: int) -> bool:
            return any(map(matches, text_of(client, store.tx(client, number))))

        return test

    return made


def _ids(client: Client) -> list[str]:
    return [client.id, client.machine_id]


def _tags(client: Client) -> list[str]:
    return [part for tag in client.tags for part in (tag, tag.partition(":")[0])]


def _groups(client: Client, tx: Tx) -> list[str]:
    version = client.version_at(tx.number)
    called = {version.names[i] for i in tx.called}
    groups = version.schema.schema.groups
    return [group for group, members in groups.items() if called & set(members)]


def _pattern(name: str, matches: Matches) -> tuple[Test, Sieve | None]:
    sieve = None  # of a group: it may be another one in an earlier schema
    if name == "kind":
        sieve = sieves.by_kind(matches)
    elif name == "id":
        sieve = sieves.by_client(lambda client: any(map(matches, _ids(client))))
    elif name == "src":
        sieve = sieves.by_source(matches)
    elif name == "tag":
        sieve = sieves.by_client(lambda client: any(map(matches, _tags(client))))
    return _PATTERNS[name](matches), sieve


_PATTERNS: dict[str, Callable[[Matches], Test]] = {
    "kind": _of_tx(lambda client, tx: [tx.kind]),
    "id": _of_machine(_ids),
    "src": _of_tx(lambda client, tx: [tx.source.machine_id] if tx.source else []),
    "tag": _of_machine(_tags),
    "group": _of_tx(_groups),
}
