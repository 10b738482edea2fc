"""The log of a machine: lines that were sent, and where none were, the engine's own words.

At level 1 no lines are sent; then they are written here from the entry. Of a kind of line that was
sent for a transition, none is made up beside it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from am_machine import LogLevel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .._store.client import Client
    from .._store.tx import Tx
    from .steps import Parsed

# As the engine shows args in lines.
_LONGEST_ARG = 20
_CUT = "…"


class Line(NamedTuple):
    """One line: of transition `number`, or told outside transitions after it."""

    level: int
    text: str
    number: int
    is_outer: bool
    time: int
    """Microseconds since 1970."""


def lines_of(client: Client, parsed: Parsed, level: int) -> list[Line]:
    """The lines of a transition up to a level, in order."""
    tx = parsed.tx
    sent = tx.log
    kinds = {_kind(text) for _, text in sent}
    made = [] if level < LogLevel.CHANGES else list(_made_up(client, parsed))
    told = [(at, text) for at, text in made if _kind(text) not in kinds and at <= level]
    if sent:
        # What was sent is in order; what is made up beside it names the call, which came first.
        told += [(at, text) for at, text in sent if at <= level]
    return [Line(at, text, tx.number, False, tx.time) for at, text in told]


def outer_lines(client: Client, number: int, level: int) -> list[Line]:
    """The lines up to a level that were told after a transition and before the next one."""
    log = client.outer_log
    found = [log[k] for k in log.between(number, number)]
    return [Line(o.level, o.text, number, True, o.time) for o in found if o.level <= level]


def _kind(text: str) -> str:
    """[state] and [auto_] are of one kind, as are [cancel…] and [reject…]."""
    name = text[: text.find("]") + 1] if text.startswith("[") else ""
    if name.startswith(("[cancel", "[reject")):
        return "[cancel]"
    if name == "[auto_]":
        return "[state]"
    return "[call]" if name[1:].startswith(("add", "remove", "set")) else name


def _made_up(client: Client, parsed: Parsed) -> Iterator[tuple[int, str]]:
    tx, explained = parsed.tx, parsed.explanation
    args = format_args(tx.args)
    names = client.version_at(tx.number).names
    label = f"{tx.kind}:auto" if tx.is_auto else tx.kind
    fine = LogLevel.DECISIONS if tx.is_auto else LogLevel.OPS
    called = " ".join([names[i] for i in tx.called])
    if tx.is_queued:
        yield LogLevel.OPS, f"[queue:{tx.kind}] {called}{args}"
        return
    yield fine, f"[{label}] {called}{args}"
    if tx.source is not None:
        own = tx.source.machine_id == client.machine_id
        source = f"{tx.source.machine_id}/{tx.source.id.hex()}/{tx.source.time_sum}"
        yield (LogLevel.DECISIONS if own else LogLevel.OPS), f"[source] {source}"
    if "err" in tx.args and "Exception" in [names[i] for i in tx.called]:
        yield LogLevel.CHANGES, f"[error] {_uncut(tx.args['err'])}"
    yield from _refusals(tx, parsed)
    implied = [name for name in explained.target if name in explained.added_by]
    if implied:
        yield LogLevel.OPS, f"[implied] {' '.join(implied)}"
    moved = _moved(parsed)
    if moved and (tx.is_accepted or tx.gained) and not tx.is_check:
        name = "auto_" if tx.is_auto else "state"
        yield LogLevel.CHANGES, f"[{name}] {moved}{args}"
    yield from _recovery(parsed)


def _recovery(parsed: Parsed) -> Iterator[tuple[int, str]]:
    """A final handler raised: which states were given up again."""
    tx, explained = parsed.tx, parsed.explanation
    if explained.failed is None or not tx.gained:
        return
    yield LogLevel.OPS, f"[cancel] ({' '.join(explained.target)}) by recover"
    index = {name: i for i, name in enumerate(explained.state_names)}
    new = set(explained.enters) - set(explained.before)
    given_up = [name for name in new if index[name] not in parsed.added]
    if given_up:
        told = " ".join([f"-{name}" for name in sorted(given_up, key=index.__getitem__)])
        yield LogLevel.CHANGES, f"[state] {told}"


def _refusals(tx: Tx, parsed: Parsed) -> Iterator[tuple[int, str]]:
    explained = parsed.explanation
    fine = LogLevel.DECISIONS if tx.is_auto else LogLevel.OPS
    for state, removers in explained.removed_by.items():
        at = LogLevel.OPS if state in explained.before else LogLevel.DECISIONS
        yield at, f"[rel:remove] {state} by {' '.join(removers)}"
    if explained.requires:
        told = [
            f"{state}({' '.join(['-' + other for other in missing])})"
            for state, missing in explained.requires.items()
        ]
        yield fine, f"[{'reject:auto' if tx.is_auto else 'reject'}] {' '.join(told)}"
    if tx.is_accepted:
        return
    for handler in explained.vetoed:
        yield LogLevel.OPS, f"[cancel] ({' '.join(explained.target)}) by {handler}"
    if explained.missing and not explained.vetoed and explained.failed is None:
        yield LogLevel.OPS, f"[cancel:reject] {' '.join(explained.missing)}"


def _moved(parsed: Parsed) -> str:
    explained = parsed.explanation
    before = set(explained.before)
    index = {name: i for i, name in enumerate(explained.state_names)}
    new = [f"+{name}" for name in explained.enters if name not in before]
    again = [f"+{name}" for name in explained.enters if name in before]
    gone = [f"-{name}" for name in sorted(explained.exits, key=index.__getitem__)]
    return " ".join([*new, *again, *gone])


def format_args(args: Mapping[str, object]) -> str:
    """Logged args as they follow in a line."""
    if not args:
        return ""
    shown = [f"{key}={_short(_plain(key, args[key]))}" for key in sorted(args)]
    return f" ({' '.join(shown)})"


def _plain(key: str, value: object) -> str:
    """The text of a value; of an error only its message, as the engine has it."""
    text = _uncut(value)
    return text.partition(": ")[2] or text if key == "err" else text


def _uncut(value: object) -> str:
    """The text of a value; what was cut or converted is marked in front."""
    text = str(value)
    return text[1:] if isinstance(value, str) and text.startswith(_CUT) else text


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_ARG else text[: _LONGEST_ARG - 1] + _CUT
