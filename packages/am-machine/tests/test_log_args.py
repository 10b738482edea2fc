"""Args in log lines, and breakpoints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

import am_machine as am

Flat = Callable[..., am.Machine]
OPS = am.LogLevel.OPS


@dataclass
class WorkArgs:
    """Args of which one field asks to be logged."""

    token: str
    job: int = field(default=0, metadata={"log": True})


class TypedStates(am.States):
    """A state whose args are typed."""

    Work = am.State(args=WorkArgs)


def test_known_keys_follow_their_lines_sorted(flat: Flat, log: Any) -> None:
    m = flat("A B", handlers={"AState": lambda e: e.machine.add("B", port=1)}, log_level=OPS)
    log.clear()
    m.add("A", url="u", id=5, secret="no")
    assert log.starting("[queue", "[add]", "[state]") == [
        "[queue:add] A (id=5 url=u)",
        "[add] A (id=5 url=u)",
        "[state] +A (id=5 url=u)",
        "[queue:add] B (port=1)",
        "[add] B (port=1)",
        "[state] +B (port=1)",
    ]


def test_the_default_keys_are_these(flat: Flat, log: Any) -> None:
    m = flat("A", log_level=am.LogLevel.CHANGES)
    names = ["name", "id", "port", "addr", "err", "path", "url", "uri"]
    m.add("A", **dict.fromkeys([*names, "other"], 1))
    assert log.lines == [f"[state] +A ({' '.join(f'{name}=1' for name in sorted(names))})"]


def test_args_of_prepended_mutations_are_logged(flat: Flat, log: Any) -> None:
    m = flat("A", log_level=OPS)
    m.can_add("A", id=1)
    assert "[prepend:add] A (id=1)" in log.lines


def test_long_values_are_cut_to_twenty_characters(flat: Flat, log: Any) -> None:
    m = flat("A", multi="A", log_level=am.LogLevel.CHANGES)
    m.add("A", id="x" * 20)
    m.add("A", id="y" * 21)
    assert log.lines == [f"[state] +A (id={'x' * 20})", f"[state] +A (id={'y' * 19}…)"]


def test_log_args_changes_keys_and_length(flat: Flat, log: Any) -> None:
    m = flat("A", log_level=am.LogLevel.CHANGES)
    m.log_args = am.LogArgs("secret", "more", max_len=4)
    m.add("A", id=1, secret="12345", more="1234")
    assert log.lines == ["[state] +A (more=1234 secret=123…)"]


def test_log_args_of_nothing_logs_none(flat: Flat, log: Any) -> None:
    m = flat("A", log_level=am.LogLevel.CHANGES)
    m.log_args = am.LogArgs()
    m.add("A", id=1)
    assert log.lines == ["[state] +A"]


def test_fields_of_args_classes_say_whether_they_are_logged(log: Any) -> None:
    m = am.Machine(TypedStates, log_level=am.LogLevel.CHANGES)
    m.add("Work", token="secret", job=7)
    assert log.lines == ["[state] +Work (job=7)"]


def test_a_value_whose_str_raises_breaks_nothing(flat: Flat, log: Any) -> None:
    class Rude:
        def __str__(self) -> str:
            raise RuntimeError("no text for you")

    m = flat("A", log_level=OPS)
    assert m.add("A", id=Rude()) is am.EXECUTED
    assert m.is_("A")


# -- breakpoints ----------------------------------------------------------------------------------


@pytest.fixture
def broken(flat: Flat, log: Any) -> tuple[am.Machine, list[Any]]:
    """A machine that notes each stop at a breakpoint."""
    m = flat(log_level=am.LogLevel.CHANGES)
    stops: list[Any] = []
    m.on_breakpoint = lambda *args: stops.append(args)
    return m, stops


def test_a_breakpoint_stops_at_exactly_its_states(
    broken: tuple[am.Machine, list[Any]], log: Any
) -> None:
    m, stops = broken
    m.add_breakpoint(added=["A", "B"])
    m.add("A")
    m.add("B", "A")
    m.add("A", "B", "C")
    m.remove("A", "B")
    m.set("A", "B")
    m.set()
    assert stops == []
    m.add("A", "B")
    assert len(stops) == 1
    lines = log.starting("[breakpoint]")
    assert len(lines) == 1
    assert lines[0].startswith("[breakpoint] Machine.breakpoint")
    assert "test_a_breakpoint_stops_at_exactly_its_states" in lines[0], "the stack is part of it"


def test_a_breakpoint_on_removal(broken: tuple[am.Machine, list[Any]]) -> None:
    m, stops = broken
    m.add_breakpoint(removed=["A"])
    m.add("A")
    assert stops == []
    m.remove("A")
    assert len(stops) == 1
    m.remove("A")
    assert len(stops) == 2, "not strict: the states already are that way"


def test_a_strict_breakpoint_skips_what_changes_nothing(
    broken: tuple[am.Machine, list[Any]],
) -> None:
    m, stops = broken
    m.add_breakpoint(added=["A"], strict=True)
    m.add_breakpoint(removed=["B"], strict=True)
    m.remove("B")
    m.add("A")
    m.add("A")
    assert len(stops) == 1
    m.add("B")
    m.remove("B")
    m.remove("B")
    assert len(stops) == 2


def test_a_breakpoint_works_without_a_callback(flat: Flat, log: Any) -> None:
    m = flat(log_level=am.LogLevel.CHANGES)
    m.add_breakpoint(added=["A"])
    assert m.add("A") is am.EXECUTED
    assert len(log.starting("[breakpoint]")) == 1


def test_a_breakpoint_stops_before_the_mutation_runs(flat: Flat) -> None:
    m = flat()
    seen: list[str] = []
    m.on_breakpoint = lambda *args: seen.append(str(m))
    m.add_breakpoint(added=["A"])
    m.add("A")
    assert seen == ["()"]


def test_a_breakpoint_on_unknown_states_is_refused(flat: Flat) -> None:
    with pytest.raises(am.UnknownStateError):
        flat().add_breakpoint(added=["Nope"])
