"""Log lines: their text, their level, and where they go."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]
NOTHING, EXTERNAL, CHANGES, OPS, DECISIONS, EVERYTHING = am.LogLevel


class Logged:
    """A machine at EVERYTHING whose lines are kept with the level that each has."""

    def __init__(self, machine: am.Machine, recorder: Any) -> None:
        self.machine = machine
        self.recorder = recorder
        machine.log_level = EVERYTHING
        machine.bind_tracer(recorder)

    def take(self, *prefixes: str) -> list[tuple[int, str]]:
        got = [(level, text) for level, text in self.recorder.logged if text.startswith(prefixes)]
        self.recorder.logged.clear()
        return got

    def level_of(self, line: str) -> int:
        levels = [level for level, text in self.recorder.logged if text == line]
        assert levels, f"no line {line!r} in {[text for _, text in self.recorder.logged]}"
        assert len(set(levels)) == 1
        return levels[0]

    def order(self, *lines: str) -> bool:
        texts = [text for _, text in self.recorder.logged]
        places = [texts.index(line) for line in lines]
        return places == sorted(places)


@pytest.fixture
def logged(recorder: Any, log: Any) -> Callable[[am.Machine], Logged]:
    """Wraps a machine so that each of its lines can be looked up with its level."""
    return lambda machine: Logged(machine, recorder)


def fail(event: am.Event) -> None:
    raise ValueError("boom")


def spin(seconds: float) -> None:
    """Use up real time, as only a blocking handler can."""
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


# -- where lines go -------------------------------------------------------------------------------


def test_a_run_at_ops_gives_exactly_these_lines(flat: Flat, log: Any) -> None:
    m = flat("Foo Bar", handlers={"FooState": lambda e: e.machine.add("Bar")}, log_level=OPS)
    log.clear()
    m.add("Foo")
    assert "\n".join(log.lines) == (
        "[queue:add] Foo\n"
        "[add] Foo\n"
        "[state] +Foo\n"
        "[handler:0] FooState\n"
        "[queue:add] Bar\n"
        "[postpone] queue running (1 item)\n"
        "[add] Bar\n"
        "[state] +Bar"
    )


def test_by_default_nothing_but_errors_is_logged(flat: Flat, log: Any) -> None:
    m = flat(handlers={"BState": fail})
    m.add("A")
    m.log("hello")
    assert log.lines == []
    m.add("B")
    (record,) = log.records
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "[error:add] B (boom)")
    assert record.exc_info


def test_levels_map_to_those_of_the_standard_library(flat: Flat, log: Any, recorder: Any) -> None:
    m = flat("A B", auto="B", log_level=EVERYTHING, tracers=[recorder])
    recorder.clear()
    log.clear()
    m.add("A")
    m.log("hello")
    ours = [level for level, _ in recorder.logged]
    theirs = [record.levelno for record in log.records]
    assert set(zip(ours, theirs, strict=True)) == {
        (EXTERNAL, logging.INFO),
        (CHANGES, logging.INFO),
        (OPS, logging.DEBUG),
        (DECISIONS, 8),
    }
    m.bind({"AState": lambda e: None})
    recorder.clear()
    log.clear()
    m.set("A")
    ours = [level for level, _ in recorder.logged]
    theirs = [record.levelno for record in log.records]
    assert (EVERYTHING, 5) in set(zip(ours, theirs, strict=True))


@pytest.mark.parametrize("level", list(am.LogLevel))
def test_a_line_is_emitted_up_to_the_level_of_the_machine(
    flat: Flat, log: Any, recorder: Any, level: am.LogLevel
) -> None:
    def scenario(at: am.LogLevel) -> list[tuple[int, str]]:
        m = flat("A B C", auto="C", id="m", log_level=at, tracers=[recorder])
        m.bind({"BEnter": lambda e: False, "AState": lambda e: None}, name="h")
        m.add("A")
        m.add("B")
        m.log("hello")
        lines = [
            (own, text)
            for own, text in recorder.logged
            if not text.startswith(("[state]", "[auto_]"))
        ]
        recorder.clear()
        return lines

    everything = scenario(EVERYTHING)
    assert {own for own, _ in everything} >= {EXTERNAL, OPS, DECISIONS, EVERYTHING}
    assert scenario(level) == [(own, text) for own, text in everything if own <= level]


def test_records_carry_the_machine_and_messages_do_not(flat: Flat, log: Any) -> None:
    flat(id="mach", log_level=OPS).add("A")
    assert log.records
    assert {record.machine for record in log.records} == {"mach"}
    assert {record.name for record in log.records} == {"am_machine"}
    assert not any("mach" in line for line in log.lines)


def test_the_level_can_change_at_any_time(flat: Flat, log: Any) -> None:
    m = flat()
    m.add("A")
    m.log_level = CHANGES
    m.add("B")
    m.log_level = NOTHING
    m.add("C")
    assert log.lines == ["[state] +B"]


def test_own_lines_are_external_and_name_the_running_handler(flat: Flat, log: Any) -> None:
    m = flat(log_level=EXTERNAL, handlers={"AState": lambda e: e.machine.log("inside")})
    m.log("outside")
    m.add("A")
    m.log("outside again")
    assert log.lines == ["outside", "[AState] inside", "outside again"]


def test_percent_signs_are_only_text(flat: Flat, log: Any) -> None:
    m = flat(log_level=EXTERNAL)
    m.log("100%s done %d")
    assert log.lines == ["100%s done %d"]


def test_lines_are_kept_with_the_transition(flat: Flat, log: Any, recorder: Any) -> None:
    m = flat(log_level=OPS, tracers=[recorder])
    m.log("before")
    m.add("A")
    entries = [str(entry) for entry in recorder.transitions[0].log_entries]
    assert [line for line in ("[add] A", "[state] +A") if any(line in e for e in entries)] == [
        "[add] A",
        "[state] +A",
    ]
    before = [str(entry) for entry in recorder.transitions[0].pre_log_entries]
    assert any("before" in entry for entry in before)
    assert any("[queue:add] A" in entry for entry in before)
    assert not any("before" in entry for entry in entries)


def test_lines_before_a_transition_are_bounded_and_not_repeated(
    flat: Flat, log: Any, recorder: Any
) -> None:
    m = flat(log_level=EXTERNAL, tracers=[recorder])
    for text in ["same", "same", "other", "same", "[when:new] A", "[when:new] A"]:
        m.log(text)
    m.add("A")
    entries = list(map(str, recorder.transitions[-1].pre_log_entries))
    assert sum("same" in entry for entry in entries) == 2
    assert sum("[when:new] A" in entry for entry in entries) == 2
    for number in range(1_500):
        m.log(f"line {number}")
    m.add("B")
    entries = list(map(str, recorder.transitions[-1].pre_log_entries))
    assert len(entries) == 1_000
    m.add("C")
    assert len(recorder.transitions[-1].pre_log_entries) == 0


def test_the_tracers_get_every_emitted_line_with_its_level(
    flat: Flat, log: Any, recorder: Any
) -> None:
    m = flat(log_level=OPS, tracers=[recorder])
    recorder.clear()
    log.clear()
    m.add("A")
    m.log("hello")
    assert [text for _, text in recorder.logged] == log.lines
    assert recorder.logged[-1] == (EXTERNAL, "hello")


# -- queue and transition -------------------------------------------------------------------------


def test_queue_lines(flat: Flat, logged: Any) -> None:
    def a_state(event: am.Event) -> None:
        m.add("B")
        m.add("B")
        m.remove("A")
        m.can_add("C")

    m = flat(handlers={"AState": a_state})
    lines = logged(m)
    m.add("A")
    assert lines.take("[queue", "[postpone]", "[prepend") == [
        (OPS, "[queue:add] A"),
        (OPS, "[queue:add] B"),
        (OPS, "[postpone] queue running (1 item)"),
        (OPS, "[queue:skipped] Duplicate detected for [add] B"),
        (OPS, "[queue:remove] A"),
        (OPS, "[postpone] queue running (2 items)"),
        (OPS, "[prepend:add] C"),
        (OPS, "[postpone] queue running (3 items)"),
    ]


def test_transition_lines_by_kind(flat: Flat, logged: Any) -> None:
    m = flat()
    lines = logged(m)
    m.add("A", "B")
    m.remove("A")
    m.set("C")
    assert lines.take("[add]", "[remove]", "[set]", "[state]") == [
        (OPS, "[add] A B"),
        (CHANGES, "[state] +A +B"),
        (OPS, "[remove] A"),
        (CHANGES, "[state] -A B"),
        (OPS, "[set] C"),
        (CHANGES, "[state] +C -B"),
    ]


def test_source_lines_follow_the_transition_line(flat: Flat, logged: Any, recorder: Any) -> None:
    m, other = flat(id="mach"), flat(id="other", tracers=[recorder])
    m.add("C")
    other.bind({"BState": lambda e: m.add("A")})
    lines = logged(m)
    other.add("B")
    source = f"[source] other/{recorder.transitions[0].id}/0"
    assert lines.level_of(source) == OPS
    assert lines.order("[add] A", source, "[state] +A C")


def test_the_source_of_a_machines_own_mutations_is_a_detail(
    flat: Flat, logged: Any, recorder: Any
) -> None:
    m = flat(id="mach", handlers={"AState": lambda e: e.machine.add("B")})
    lines = logged(m)
    m.add("A")
    assert lines.level_of(f"[source] mach/{recorder.transitions[0].id}/0") == DECISIONS


def test_implied_lines_name_what_was_implied(logged: Any) -> None:
    m = am.Machine({"A": {"add": ["B"]}, "B": {"add": ["C"]}, "C": {}, "D": {}})
    m.add("D")
    lines = logged(m)
    m.add("A")
    assert lines.level_of("[implied] B C") == OPS
    assert lines.order("[add] A", "[implied] B C", "[state] +A +B +C D")


def test_auto_states_blocked_by_relations_are_named(logged: Any) -> None:
    m = am.Machine({"A": {}, "F": {"auto": True}, "G": {"remove": ["F"]}})
    m.add("G")
    lines = logged(m)
    m.add("A")
    assert lines.level_of("[auto:rel:remove] F by G") == EVERYTHING
    assert lines.take("[auto]", "[prepend") == []


def test_auto_lines(logged: Any) -> None:
    m = am.Machine(
        {"A": {}, "B": {"auto": True}, "C": {"auto": True, "require": ["Off"]}, "Off": {}}
    )
    lines = logged(m)
    m.add("A")
    assert lines.level_of("[auto] B C") == OPS
    assert lines.level_of("[prepend:add] B C") == OPS
    assert lines.level_of("[add:auto] B C") == DECISIONS
    assert lines.level_of("[reject:auto] C(-Off)") == DECISIONS
    assert lines.level_of("[auto_] +B A") == CHANGES
    assert lines.order("[auto] B C", "[prepend:add] B C", "[add:auto] B C", "[auto_] +B A")


def test_a_wholly_refused_auto_mutation_says_so(logged: Any) -> None:
    m = am.Machine({"A": {}, "B": {"auto": True, "require": ["Off"]}, "Off": {}})
    lines = logged(m)
    m.add("A")
    assert lines.level_of("[cancel:reject] B") == OPS


def test_the_state_line_lists_new_then_re_entered_then_lost_states(logged: Any) -> None:
    m = am.Machine(
        {
            "Multi": {"multi": True},
            "Z": {},
            "Y": {"remove": ["Old", "Older"]},
            "Old": {},
            "Older": {},
        }
    )
    m.add("Older", "Old", "Multi")
    lines = logged(m)
    m.log_level = CHANGES
    m.add("Z", "Multi", "Y")
    assert lines.take("[state]") == [(CHANGES, "[state] +Z +Y +Multi -Old -Older")]


def test_the_state_line_at_everything_ends_with_what_stayed(flat: Flat, logged: Any) -> None:
    m = flat("A B D")
    m.add("D", "B")
    lines = logged(m)
    m.add("A")
    assert lines.take("[state]") == [(CHANGES, "[state] +A B D")]


# -- relations ------------------------------------------------------------------------------------


def test_lines_of_blocked_states(logged: Any) -> None:
    m = am.Machine(
        {
            "A": {"add": ["X"]},
            "C": {"remove": ["D", "X"]},
            "D": {},
            "E": {"remove": ["D"]},
            "X": {},
        }
    )
    m.add("D")
    lines = logged(m)
    m.add("A", "C", "E")
    assert lines.level_of("[rel:remove] D by C E") == OPS
    assert lines.level_of("[rel:remove] X by C") == DECISIONS


def test_lines_of_states_dropped_by_require(logged: Any) -> None:
    m = am.Machine({"C": {"require": ["D", "E"]}, "D": {}, "E": {}, "F": {"require": ["C"]}})
    lines = logged(m)
    assert m.add("C", "F") is am.CANCELED
    assert lines.level_of("[reject] C(-D -E) F(-C)") == OPS
    assert lines.level_of("[cancel:reject] C F") == OPS
    assert lines.order("[add] C F", "[reject] C(-D -E) F(-C)", "[cancel:reject] C F")


def test_a_cycle_of_requirements_is_reported_once(log: Any, recorder: Any) -> None:
    schema = {"A": {"require": ["B"]}, "B": {"require": ["A"]}, "C": {}}
    m = am.Machine(schema, log_level=CHANGES, tracers=[recorder])
    m.add("A", "B")
    m.add("C")
    found = [level for level, text in recorder.logged if text.startswith("[resolver] ")]
    assert found == [CHANGES]
    assert len(log.starting("[resolver] ")) == 1


# -- handlers -------------------------------------------------------------------------------------


def test_handler_lines(flat: Flat, logged: Any) -> None:
    m = flat("A")
    lines = logged(m)
    m.bind({"AEnter": lambda e: None}, name="first")
    m.bind({"AState": lambda e: None}, name="second")
    m.add("A")
    got = lines.take("[handle:", "[handler:", "[handlers]")
    texts = [text for _, text in got]
    assert texts[:2] == ["[handlers] bind 0:first", "[handlers] bind 1:second"]
    assert [text for text in texts if "AEnter" in text] == [
        "[handle:first] AEnter",
        "[handler:0] AEnter",
        "[handler:end] AEnter from first",
        "[handle:second] AEnter",
    ]
    assert [text for text in texts if "AState" in text] == [
        "[handle:first] AState",
        "[handle:second] AState",
        "[handler:1] AState",
        "[handler:end] AState from second",
    ]
    levels = {text: level for level, text in got}
    assert levels["[handle:first] AEnter"] == EVERYTHING
    assert levels["[handler:0] AEnter"] == OPS
    assert levels["[handler:end] AEnter from first"] == EVERYTHING


def test_bind_and_detach_lines(flat: Flat, logged: Any) -> None:
    class Handlers:
        def AState(self, event: am.Event) -> None:
            """Never called."""

    m = flat()
    lines = logged(m)
    binding = m.bind(Handlers())
    other = m.bind(Handlers(), name="other")
    binding.detach()
    binding.detach()
    m.bind(Handlers())
    other.detach()
    assert [text for _, text in lines.take("[handlers]")] == [
        "[handlers] bind 0:Handlers",
        "[handlers] bind 1:other",
        "[handlers] detach Handlers",
        "[handlers] bind 2:Handlers",
        "[handlers] detach other",
    ]


def test_rejection_lines(flat: Flat, logged: Any) -> None:
    m = flat("A B", handlers={"BEnter": lambda e: False, "AA": lambda e: False})
    m.add("A")
    lines = logged(m)
    m.add("B")
    assert lines.level_of("[cancel] (B A) by BEnter") == OPS
    m.add("A")
    assert lines.level_of("[cancel:self] (A) by AA") == OPS


def test_recovery_lines(flat: Flat, logged: Any) -> None:
    m = flat("A B C", handlers={"BState": fail})
    lines = logged(m)
    m.add("A", "B", "C")
    assert lines.level_of("[recover] handling panic...") == OPS
    assert lines.level_of("[cancel] (A B C) by recover") == OPS
    assert lines.level_of("[recover] partial final states as (A)") == OPS
    assert any(text.startswith("[state] -B -C") for _, text in lines.recorder.logged)
    assert lines.order("[recover] handling panic...", "[cancel] (A B C) by recover")


def test_an_unhandled_error_is_reported_with_its_traceback(flat: Flat, log: Any) -> None:
    m = flat("A B C", handlers={"BState": fail}, log_level=CHANGES)
    m.add("A", "B", "C")
    record = next(r for r in log.records if r.getMessage().startswith("[error:add] A B C (boom)"))
    assert record.levelno == logging.ERROR
    assert "Traceback (most recent call last)" in "\n".join(
        map(logging.Formatter().format, log.records)
    )
    m.remove("Exception")
    log.clear()
    m.log_traceback = False
    m.add_err(KeyError("plain"))
    record = next(r for r in log.records if r.getMessage().startswith("[error] "))
    assert record.getMessage() == "[error] 'plain'"
    assert "Traceback" not in "\n".join(map(logging.Formatter().format, log.records))


@pytest.mark.parametrize("level", list(am.LogLevel))
def test_a_handled_error_is_reported_for_debugging_only(
    flat: Flat, log: Any, level: am.LogLevel
) -> None:
    m = flat(handlers={"ExceptionState": lambda e: None}, log_level=level)
    m.add_err(ValueError("boom"))
    (record,) = [r for r in log.records if r.getMessage().startswith("[error")]
    assert record.levelno == logging.DEBUG


@pytest.mark.parametrize("level", list(am.LogLevel))
def test_an_unhandled_error_is_logged_at_every_level(
    flat: Flat, log: Any, level: am.LogLevel
) -> None:
    m = flat(log_level=level)
    m.add_err(ValueError("boom"))
    (record,) = [r for r in log.records if r.getMessage().startswith("[error")]
    assert (record.levelno, record.getMessage()) == (logging.ERROR, "[error] boom")


def test_tracers_hear_of_an_error_as_of_a_change(flat: Flat, log: Any, recorder: Any) -> None:
    m = flat(log_level=CHANGES, tracers=[recorder])
    m.add_err(ValueError("boom"))
    told = [line for line in recorder.logged if line[1].startswith("[error")]
    assert [at for at, _ in told] == [int(CHANGES)]


def test_slow_and_late_handlers_are_logged(flat: Flat, logged: Any) -> None:
    m = flat("A B", handler_timeout=0.3)
    m.bind({"AState": lambda e: spin(0.04), "BState": lambda e: spin(0.31)}, name="slow")
    lines = logged(m)
    m.add("A")
    slow = lines.take("[handler:slow]")
    assert len(slow) == 1
    level, text = slow[0]
    assert level == OPS
    assert text.startswith("[handler:slow] AState ")
    assert float(text.split(" ")[2].removesuffix("ms")) >= 30
    m.add("B")
    assert lines.level_of("[handler:timeout] BState from slow") == CHANGES


# -- waits ----------------------------------------------------------------------------------------


def test_wait_lines(flat: Flat, logged: Any) -> None:
    m = flat("A B C")
    m.add("C")
    lines = logged(m)
    waits = [
        m.when("A", "B"),
        m.when_not("C", "A"),
        m.when_time({"A": 1, "B": 1}),
        m.when_args("A", id=1, name="x"),
        m.when_query(lambda clock: clock["B"] > 0),
    ]
    assert lines.take("[when") == [
        (OPS, "[when:new] A B"),
        (OPS, "[whenNot:new] C A"),
        (OPS, "[whenTime:new] A,B [1 1]"),
        (OPS, "[whenArgs:new] A (id,name)"),
        (OPS, "[whenQuery:new] 0"),
    ]
    m.add("A", name="x", id=1)
    m.add("B")
    m.set("B")
    assert lines.take("[when") == [
        (OPS, "[whenArgs:match] A (id,name)"),
        (OPS, "[when:match] A B"),
        (OPS, "[whenTime:match] A,B [1 1]"),
        (OPS, "[whenQuery:match] 0"),
        (OPS, "[whenNot:match] C A"),
    ]
    assert all(wait.done for wait in waits)


def test_wait_lines_of_the_queue(flat: Flat, logged: Any) -> None:
    kept: list[am.Wait] = []
    m = flat("A B", handlers={"AState": lambda e: kept.append(m.when_queue(m.add("B")))})
    lines = logged(m)
    m.add("A")
    assert lines.take("[whenQueue") == [(OPS, "[whenQueue:new] 3"), (OPS, "[whenQueue:match] 3")]
