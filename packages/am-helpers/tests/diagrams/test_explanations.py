"""Pictures of explanations: what is called, required, removed and blocked, and who is asked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import am_helpers as amh
import am_machine as am

if TYPE_CHECKING:
    from collections.abc import Callable

DRAW = {"mermaid": amh.mermaid, "d2": amh.d2}
S = am.Schema(
    {
        "Start": {},
        "Ready": {"require": ["Start", "Net"], "add": ["Shown"]},
        "Net": {"require": ["Start"]},
        "Shown": {},
        "Halt": {"remove": ["Ready", "Net"]},
        "Beside": {"require": ["Start"]},
    }
)
draws = pytest.mark.parametrize("draw", DRAW.values(), ids=DRAW)


def told(text: str, kind: str, source: str, target: str) -> list[str]:
    """Lines of edges of a kind between two states, or from the mutation, in either language."""
    ids = {"": ("c0", "call")}
    for line in text.splitlines():
        words = line.replace("[", ": ").split(": ")
        for name in S:
            if f'"{name}<br/>' in line or f'"{name}\\n' in line:
                ids[name] = (words[0].strip(), words[0].strip())
    ends = ids.get(source, ("?",)), ids.get(target, ("?",))
    return [
        line
        for line in text.splitlines()
        if kind in line
        and line.split()[0] in ends[0]
        and any(f" {end}" in line.partition(">")[2].replace(":", " ") for end in ends[1])
    ]


@draws
def test_what_is_required_and_inactive_is_shown_beside_what_was_dropped(draw: Any) -> None:
    text = draw(S.explain("add", ["Ready"], ["Start"]))
    assert "add Ready: refused" in text
    assert "Ready was dropped: it requires Net, which is inactive" in text
    assert told(text, "add", "", "Ready")
    (missing,) = told(text, "require", "Ready", "Net")
    (there,) = told(text, "require", "Ready", "Start")
    if draw is amh.d2:
        assert "#b3261e" in missing
        assert "#b3261e" not in there


@draws
def test_who_removes_and_who_implies_is_shown(draw: Any) -> None:
    text = draw(S.explain("add", ["Halt"], ["Start", "Net", "Ready"]))
    assert "add Halt: accepted" in text
    assert told(text, "remove", "Halt", "Ready")
    assert told(text, "remove", "Halt", "Net")
    assert told(draw(S.explain("add", ["Ready"], ["Start", "Net"])), "add", "Ready", "Shown")


@draws
def test_states_that_have_no_part_in_it_are_left_out(draw: Any) -> None:
    text = draw(S.explain("add", ["Halt"], ["Start", "Net", "Beside"]))
    assert "Beside" not in text
    assert "Shown" not in text


@draws
def test_set_ends_all_others_by_itself(draw: Any) -> None:
    text = draw(S.explain("set", ["Shown"], ["Start", "Beside"]))
    assert told(text, "remove", "", "Start")
    assert told(text, "remove", "", "Beside")


@draws
def test_handlers_are_listed_in_order_up_to_the_one_that_ends_it(draw: Any) -> None:
    handlers = ["ShownState", "ShownEnter", "AnyEnter"]
    text = draw(S.explain("add", ["Shown"], [], handlers=handlers, vetoed=["ShownEnter"]))
    for line in (
        "ShownEnter: voted against it",
        "AnyEnter (not called)",
        "ShownState (not called)",
    ):
        assert line in text
    assert text.index("ShownEnter") < text.index("AnyEnter") < text.index("ShownState")
    failed = draw(S.explain("add", ["Shown"], [], handlers=handlers, failed="ShownState"))
    assert "ShownState: raised" in failed
    assert "not called" not in failed
    assert "handlers" not in draw(S.explain("add", ["Shown"], []))


@draws
def test_a_refused_mutation_shows_what_would_have_been(draw: Any) -> None:
    refused = draw(S.explain("add", ["Shown"], [], handlers=["ShownEnter"], vetoed=["ShownEnter"]))
    assert "would enter" in refused
    assert "enters" not in refused.replace("classDef enters", "")


@draws
def test_a_machine_explains_what_stands_in_the_way_now(
    machine: Callable[..., am.Machine], draw: Any
) -> None:
    mach = machine(S, handlers={"ShownEnter": lambda event: False})
    mach.add("Shown")
    text = draw(mach.explain("Shown"))
    assert "ShownEnter: voted against it" in text
    assert "test_explanations.py, line" in text.replace("#95;", "_")


def test_the_guide_shows_what_is_drawn() -> None:
    page = Path(__file__).parents[2] / "docs" / "diagrams.md"
    if not page.exists():
        pytest.skip("the guide is not beside the tests")
    drawn = amh.mermaid(
        am.Schema({"Foo": {"require": ["Bar"]}, "Bar": {}}).explain("add", ["Foo"], [])
    )
    assert f"```mermaid\n{drawn}```\n" in page.read_text(encoding="utf-8")
