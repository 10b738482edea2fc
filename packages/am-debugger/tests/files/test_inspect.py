"""A dump as text."""

from __future__ import annotations

from am_debugger._derive.query import parse_query
from am_debugger._files.inspect import format_clock, inert, matches, summary
from am_debugger._store.layout import Flag
from am_debugger._store.link import Link
from am_debugger._store.store import Store
from am_telemetry import dbg

from ..messages import mach, process, schema, tx


def filled() -> Store:
    store = Store()
    link = Link(store, process())
    of = schema(("Start", "Ready", "Exception"))
    link.schema(of)
    link.machine(mach(1, "pool", of))
    link.machine(mach(2, "worker\x1b[31m", of, parent="pool"))
    link.transition(1, tx(b"entry001", 3_000_000, args={"id": "\u202e1"}))
    link.transition(1, tx(b"entry002", 4_000_000, called=(1,), diff=(), flags=0))
    link.transition(2, tx(b"entry003", 5_000_000, diff=(2, 1), flags=int(Flag.ERROR)))
    link.take(dbg.Drop(2, 4, 6_000_000), 0)
    link.take(dbg.Gone(2, 6_000_000), 0)
    return store


def test_the_summary_has_a_line_for_each_machine_and_the_totals() -> None:
    lines = list(summary(filled()))
    first, second = format_clock(3_000_000), format_clock(4_000_000)
    assert lines[0] == f"pool: 2 transitions, {first} to {second} (Start)"
    assert lines[1].startswith(r"  worker\x1b[31m: 1 transitions, ")
    assert lines[1].endswith("1 errors, the last in 1, 4 lost, disposed (Exception)")
    assert lines[2] == "2 machines, 3 transitions, 1 errors, 4 lost"


def test_what_a_query_means_is_listed_with_addresses() -> None:
    lines = list(matches(filled(), parse_query("!kind:set !Ready")))
    at = format_clock(3_000_000)
    ident = b"entry001".hex()
    assert lines[0] == rf"{at} pool/1 [add Start (id=\u202e1)] +Start mach://pool/{ident}"
    assert "failed +Exception" in lines[1]
    assert lines[-1] == r"2 found, pool 1, worker\x1b[31m 1"


def test_nothing_that_terminals_act_upon_is_shown() -> None:
    hostile = "a\x1b]0;x\x07b\u202ec\x00\n"
    assert inert(hostile) == r"a\x1b]0;x\x07b\u202ec\x00\n"
    assert inert("plain é 漢") == "plain é 漢"
    assert format_clock(1 << 61) == str(1 << 61)
