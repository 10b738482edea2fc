"""A recorded machine as a test: the same mutations from outside, the same clocks.

A mutation is from outside unless the machine itself caused it: what its handlers and auto states
do is what is tested. What was not recorded whole is told as the reason to skip the test: arguments
of which there is only a text when it is written, those that a state requires and that were never
logged when it runs, since the program alone knows of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from .inspect import inert

if TYPE_CHECKING:
    from .._store.client import Client
    from .._store.store import Store
    from .._store.tx import Tx

_CUT = "…"
"""Begins an argument of which only a part, or a text of it, was recorded."""

_HEAD = '''"""{title}: the same mutations from outside lead to the same clocks.

Written by `am-dbg test`. {how}
"""

# ruff: noqa: E501

from __future__ import annotations

from typing import Any

{imports}

'''
_MAKE_SCHEMA = '''

def new_machine() -> am.Machine:
    """The machine as it was recorded, without handlers: put your own here."""
    return am.Machine(SCHEMA, id={id})
'''
_MAKE_GIVEN = '''

def new_machine() -> am.Machine:
    """The machine as the program makes it."""
    machine: am.Machine = {name}()
    return machine
'''
# What a state needs is known to the program alone.
_MAKE_GIVEN_CALL = """
        try:
            result = getattr(machine, kind)(*states, **args)
        except am.ArgsError as exc:
            if not str(exc).startswith("missing args"):
                raise
            pytest.skip(f"transition {number} had arguments that were not recorded: {exc}")"""
_CALL = """
        result = getattr(machine, kind)(*states, **args)"""
_TEST = """

{mark}def test_the_same_mutations_lead_to_the_same_clocks() -> None:
    machine = new_machine()
    clock = {{name: machine.tick(name) for name in machine.schema}}
    assert {{name: tick for name, tick in clock.items() if tick}} == START
    for number, kind, states, args, is_accepted, gained in STEPS:{call}
        assert bool(result) is is_accepted, number
        clock = {{name: tick + gained.get(name, 0) for name, tick in clock.items()}}
        assert {{name: machine.tick(name) for name in machine.schema}} == clock, number
"""


class Written(NamedTuple):
    """A test file, the mutations that it makes, and why it would be skipped; empty: it is not."""

    text: str
    steps: int
    reason: str


def written_test(store: Store, client: Client, dump: str, make: str | None = None) -> Written:
    """Write a test of a machine; `make`, as in `package.module:function`, makes it anew. Without
    that the test has the schema as recorded, and no handlers."""
    outer = [
        number
        for number in range(client.first, client.last + 1)
        if _is_outer(client, store.tx(client, number))
    ]
    reason = _missing(store, client, outer)
    text = _head(client, dump, make, bool(reason))
    if make is None:
        text += _schema(client)
    text += "# fmt: off\n" + _start(client) + _steps(store, client, outer) + "# fmt: on\n"
    text += _MAKE_SCHEMA.format(id=_text(client.machine_id)) if make is None else ""
    text += _MAKE_GIVEN.format(name=make.partition(":")[2]) if make is not None else ""
    mark = f"@pytest.mark.skip(reason={_text(reason)})\n" if reason else ""
    call = _CALL if make is None else _MAKE_GIVEN_CALL
    return Written(text + _TEST.format(mark=mark, call=call), len(outer), reason)


def _is_outer(client: Client, tx: Tx) -> bool:
    """Whether a transition executed a mutation that others made."""
    is_own = tx.source is not None and tx.source.machine_id == client.machine_id
    return not (tx.is_auto or tx.is_queued or is_own)


def _missing(store: Store, client: Client, outer: list[int]) -> str:
    """Why the test cannot be as the run was; empty: it can."""
    if client.first > 1 or client.lost:
        return "transitions of the recording are missing"
    if len(client.versions) > 1:
        names = {version.schema for version in client.versions}
        if len(names) > 1:
            return "the schema grew while it was recorded"
    for number in outer:
        for key, value in store.tx(client, number).args.items():
            if key == "err" or (isinstance(value, str) and value.startswith(_CUT)):
                return f"of argument {inert(key)} of transition {number} only a text was recorded"
    return ""


def _head(client: Client, dump: str, make: str | None, is_skipped: bool) -> str:
    how = "Put handlers into `new_machine`." if make is None else "It runs the program's machine."
    title = f"{inert(client.id)} as in {inert(dump)}".replace("\\", "/").replace('"', "'")
    imports = ["import am_machine as am", *["import pytest"] * (is_skipped or make is not None)]
    if make is not None:
        module, _, name = make.partition(":")
        imports.append(f"\nfrom {module} import {name}")
    return _HEAD.format(title=title, how=how, imports="\n".join(imports))


def _schema(client: Client) -> str:
    """The schema as recorded."""
    schema = client.versions[0].schema.schema
    lines = ["# fmt: off\nSCHEMA: dict[str, Any] = {\n"]
    for name in schema:
        state = schema[name]
        parts = [f'"{word}": True' for word in ("auto", "multi") if getattr(state, word)]
        for relation in ("require", "add", "remove", "after"):
            others = [str(other) for other in getattr(state, relation)]
            if others:
                parts.append(f'"{relation}": [{", ".join(map(_text, others))}]')
        lines.append(f"    {_text(str(name))}: {{{', '.join(parts)}}},\n")
    return "".join([*lines, "}\n# fmt: on\n"])


def _start(client: Client) -> str:
    clock = client.clock_before(client.first)
    names = client.version_at(client.first).names
    ticks = {name: tick for name, tick in zip(names, clock, strict=True) if tick}
    return f"# Ticks before the first step.\nSTART: dict[str, int] = {_ticks(ticks)}\n"


def _steps(store: Store, client: Client, outer: list[int]) -> str:
    lines = [
        "# Transition, mutation, states, arguments, whether it was accepted, and the ticks that\n"
        "# states gained until the next one.\n"
        "STEPS: list[tuple[int, str, list[str], dict[str, Any], bool, dict[str, int]]] = [\n"
    ]
    for k, number in enumerate(outer):
        tx = store.tx(client, number)
        until = outer[k + 1] - 1 if k + 1 < len(outer) else client.last
        names = client.version_at(number).names
        kind = f"can_{tx.kind}" if tx.is_check else tx.kind
        called = ", ".join([_text(names[i]) for i in tx.called])
        args = ", ".join([f"{_text(key)}: {_value(tx.args[key])}" for key in sorted(tx.args)])
        gained = _gained(client, number, until)
        row = f'{number}, "{kind}", [{called}], {{{args}}}, {tx.is_accepted}, {_ticks(gained)}'
        lines.append(f"    ({row}),\n")
    return "".join([*lines, "]\n"])


def _gained(client: Client, first: int, last: int) -> dict[str, int]:
    """The ticks that states gained in some transitions."""
    found: dict[str, int] = {}
    for number in range(first, last + 1):
        names = client.version_at(number).names
        for i, gained in client.columns.diff(number).pairs:
            found[names[i]] = found.get(names[i], 0) + gained
    return found


def _ticks(ticks: dict[str, int]) -> str:
    return "{" + ", ".join([f"{_text(name)}: {tick}" for name, tick in ticks.items()]) + "}"


def _value(value: object) -> str:
    """A recorded argument as Python."""
    return _text(value) if isinstance(value, str) else repr(value)


def _text(text: str) -> str:
    """A text as Python, all in ASCII and in double quotes."""
    inside = text.encode("unicode_escape").decode().replace('"', '\\"')
    return f'"{inside}"'
