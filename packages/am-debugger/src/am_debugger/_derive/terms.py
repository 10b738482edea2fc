"""What one term of a query means, as a test of one transition, and of many at a time.

Terms are listed in `query`. What columns hold is told by a sieve; what is packed is unpacked once
for all terms of a query, and judged.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Sequence
from fnmatch import translate
from typing import TYPE_CHECKING, Any, NamedTuple

from .._store.layout import Kept, Mark
from .._store.packing import pack
from .._store.tx import ARGS, DURATION, FAILED, LOG, STACK, rest_of
from . import sieves

if TYPE_CHECKING:
    from .._store.chunk import Called
    from .._store.client import Client
    from .._store.search import SearchColumn
    from .._store.store import Store
    from .._store.tx import Tx
    from .sieves import Sieve

_STATE = re.compile(r"[A-Z][A-Za-z0-9_]*")
_COMPARISON = re.compile(r"(dur|gained|t|q|n)(<=|>=|<|>|=)(.*)")
_ARG = re.compile(r"arg\.([^=~]+)([=~])(.*)", re.DOTALL)
_DURATION = re.compile(r"(\d{1,12})(us|ms|s)?", re.ASCII)
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_UNITS = {None: 1, "us": 1, "ms": 1000, "s": 1_000_000}
_OPERATORS = {
    "<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq
}  # fmt: skip
_MARKS = {
    "canceled": Mark.CANCELED,
    "queued": Mark.QUEUED,
    "auto": Mark.AUTO | Mark.AUTO_CANCELED,
    "auto-canceled": Mark.AUTO_CANCELED,
    "check": Mark.CHECK,
    "empty": Mark.EMPTY,
    "health": Mark.HEALTH,
    "lost": Mark.LOST,
}
_KEPT = {"accepted": Kept.ACCEPTED, "error": Kept.ERROR}
_MACHINE: dict[str, Callable[[Client], bool]] = {
    "connected": lambda client: client.is_connected,
    "rpc": lambda client: is_rpc(client),
}
WORDS = (*_MARKS, *_KEPT, *_MACHINE)
"""Terms of one word."""
SIGNS = ("+", "-", "@")
"""What may stand before the name of a state."""
COMPARED = ("dur", "gained", "t", "q", "n")
"""What may be compared to a number."""

Test = Callable[["Store", "Client", int], bool]
Judge = Callable[["Client", Sequence[int], Sequence[Sequence[Any]]], list[bool]]
"""Which transitions, given by number, are meant by the packed rest of each."""
Matches = Callable[[str], bool]


class Meaning(NamedTuple):
    """What a term says."""

    test: Test
    """Of one transition."""
    sieve: Sieve | None = None
    """Of many: for sure, unless there is a judge; then it says which need not be judged."""
    judge: Judge | None = None


def meaning_of(text: str) -> Meaning:
    """Read a term, without the `!` in front.

    :raises ValueError: if it is none; it tells why.
    """
    if text in _MARKS:
        return _by_mark(int(_MARKS[text]))
    if text in _KEPT:
        return _by_kept(int(_KEPT[text]))
    if text in _MACHINE:
        of = _MACHINE[text]
        return Meaning(lambda store, client, number: of(client), sieves.by_client(of))
    if text.startswith('"'):
        if not _QUOTED.fullmatch(text):
            raise ValueError("a blank is missing after the quote")
        return _by_text(unquoted(text))
    if text[:1] in SIGNS:
        name = _state(text[1:])
        return Meaning(_state_test(text[0], name), sieves.by_activity(name, text[0]))
    if _STATE.fullmatch(text):
        return Meaning(_state_test("", text), sieves.by_call(_calls(text)))
    if found := _COMPARISON.fullmatch(text):
        return _comparison(*found.groups())
    if found := _ARG.fullmatch(text):
        return _by_arg(unquoted(found[1]), found[2], unquoted(found[3]))
    name, colon, pattern = text.partition(":")
    if colon and name in _PATTERNS:
        return _by_pattern(name, unquoted(pattern))
    raise ValueError(_fault(text))


def _fault(text: str) -> str:
    """Why a text is no term, and what may have been meant."""
    if not text:
        return "nothing follows"
    if text[0].islower() and text.isalnum():
        return f'no such term; "{text}" looks for a text'
    return "no such term"


def _state(text: str) -> str:
    if not _STATE.fullmatch(text):
        raise ValueError("not the name of a state")
    return text


def unquoted(text: str) -> str:
    """A text without the quotes around it, if there are any."""
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def quoted(text: str) -> str:
    """A text as it stands in a query: in quotes, if it needs them."""
    if text and not re.search(r'[\s"]', text):
        return text
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def word_of(text: str) -> str:
    """The text or the name of a state that a term looks for; empty, if it is another one."""
    if text.startswith('"'):
        return unquoted(text)
    name = text[1:] if text[:1] in SIGNS else text
    return name if _STATE.fullmatch(name) else ""


# ---------------------------------------------------------------------- columns


def _by_mark(mark: int) -> Meaning:
    def test(store: Store, client: Client, number: int) -> bool:
        columns = client.columns
        return columns.marks[number - columns.first] & mark != 0

    return Meaning(test, sieves.by_marks(mark))


def _by_kept(bit: int) -> Meaning:
    def test(store: Store, client: Client, number: int) -> bool:
        columns = client.columns
        return columns.kept[number - columns.first] & bit != 0

    return Meaning(test, sieves.by_kept(bit))


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


def _comparison(name: str, sign: str, value: str) -> Meaning:
    compare = _OPERATORS[sign]
    found = _DURATION.fullmatch(value)
    if found is None or (found[2] and name != "dur"):
        raise ValueError("a number is missing")
    wanted = int(found[1]) * _UNITS[found[2]]

    def is_meant(value: int) -> bool:
        return bool(compare(value, wanted))

    if name == "dur":
        return _judged(
            lambda client, numbers, rests: [
                len(rest) > DURATION
                and rest[DURATION] is not None
                and bool(compare(rest[DURATION], wanted))
                for rest in rests
            ]
        )
    if name == "n":
        return Meaning(lambda store, client, n: is_meant(n), sieves.by_number(is_meant))
    if name == "gained":
        return Meaning(
            lambda store, client, number: is_meant(client.columns.diff(number).gained),
            sieves.by_diff(lambda diff: is_meant(diff.gained)),
        )

    def column(client: Client) -> SearchColumn:
        return client.columns.sums if name == "t" else client.columns.queue_ticks

    return Meaning(
        lambda store, client, n: is_meant(column(client).shown[n - client.first]),
        sieves.by_column(column, is_meant),
    )


# ---------------------------------------------------------------------- what is packed


def _judged(judge: Judge, sieve: Sieve | None = None) -> Meaning:
    def test(store: Store, client: Client, number: int) -> bool:
        return judge(client, (number,), (rest_of(client.columns, number),))[0]

    return Meaning(test, sieve, judge)


def _by_arg(name: str, sign: str, value: str) -> Meaning:
    def judge(client: Client, numbers: object, rests: Sequence[Sequence[Any]]) -> list[bool]:
        args = [(rest[ARGS] or {}) if len(rest) > ARGS else {} for rest in rests]
        if sign == "~":
            return [name in one and value in str(one[name]) for one in args]
        return [name in one and str(one[name]) in values for one in args]

    values = (value, f"…{value}")
    try:
        key = pack(name)
    except ValueError:
        return _judged(judge)  # there is no such argument, but in tests
    forms = sieves.packed_forms(value) if sign == "=" else ()
    # In what is packed, a value follows its key.
    return _judged(judge, sieves.by_bytes([key + form for form in forms] or [key]))


def _by_text(text: str) -> Meaning:
    """In what was logged: lines, notes, handlers that refused, stacks."""
    needle = _folded(text)
    if not needle:
        raise ValueError("the text is empty")

    def judge(client: Client, numbers: Sequence[int], rests: Sequence[Sequence[Any]]) -> list[bool]:
        found = [len(rest) > LOG and _is_logged(rest, needle) for rest in rests]
        beside = _beside(client, numbers[0], numbers[-1], needle)
        return [a or n in beside for a, n in zip(found, numbers, strict=True)] if beside else found

    packed = sieves.by_bytes([needle], ignores_case=True)

    def sieve(client: Client, first: int, last: int) -> bytes | bytearray:
        held = bytearray(packed(client, first, last))
        for number in _beside(client, first, last, needle):
            held[number - first] = 1
        return held

    return _judged(judge, sieve)


def _folded(text: str) -> bytes:
    """A text for comparing: the case of ASCII letters does not matter."""
    return text.encode("utf-8", "surrogatepass").lower()


def _is_logged(rest: Sequence[Any], needle: bytes) -> bool:
    """Whether a line, a handler that refused, or a stack has it."""
    for _, text in rest[LOG] or ():
        if needle in _folded(text):
            return True
    others = (one for position in (FAILED, STACK) for one in rest[position : position + 1])
    return any([needle in _folded(text) for texts in others for text in texts or ()])


def _beside(client: Client, first: int, last: int, needle: bytes) -> set[int]:
    """Transitions of a range that have it in a note, or in a line that came right after them."""
    notes, log = client.notes, client.outer_log
    found = {n for n in notes if first <= n <= last and needle in _folded(notes[n])}
    lines = [log[k] for k in log.between(first, last)]
    return found | {line.after for line in lines if needle in _folded(line.text)}


# ---------------------------------------------------------------------- patterns


def is_rpc(client: Client) -> bool:
    """Whether it is a machine of RPC itself."""
    return any([tag.startswith("rpc") for tag in client.tags])


def _by_pattern(name: str, pattern: str) -> Meaning:
    if name == "group" and not pattern:
        # The group that is chosen; here none is.
        return Meaning(lambda store, client, number: True, sieves.by_client(lambda client: True))
    found = re.compile(translate(pattern)).match
    return _PATTERNS[name](lambda one: found(one) is not None)


def _by_machine(text_of: Callable[[Client], list[str]]) -> Callable[[Matches], Meaning]:
    def made(matches: Matches) -> Meaning:
        return Meaning(
            lambda store, client, number: any(map(matches, text_of(client))),
            sieves.by_client(lambda client: any(map(matches, text_of(client)))),
        )

    return made


def _by_tx(
    text_of: Callable[[Client, Tx], list[str]], sieve_of: Callable[[Matches], Sieve]
) -> Callable[[Matches], Meaning]:
    def made(matches: Matches) -> Meaning:
        def test(store: Store, client: Client, number: int) -> bool:
            return any(map(matches, text_of(client, store.tx(client, number))))

        return Meaning(test, sieve_of(matches))

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


_PATTERNS: dict[str, Callable[[Matches], Meaning]] = {
    "kind": _by_tx(lambda client, tx: [tx.kind], sieves.by_kind),
    "id": _by_machine(_ids),
    "src": _by_tx(lambda client, tx: [tx.source.machine_id] if tx.source else [], sieves.by_source),
    "tag": _by_machine(_tags),
    "group": _by_tx(_groups, sieves.by_group),
}
PATTERNS = tuple(_PATTERNS)
"""What may be compared to a pattern."""
