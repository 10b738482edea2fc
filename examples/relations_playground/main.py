# /// script
# requires-python = ">=3.11"
# dependencies = ["am-machine"]
#
# [tool.uv.sources]
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""One quiz per relation. The machine answers, shows its steps, and a sentence says why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import am_machine as am


@dataclass(frozen=True)
class Quiz:
    """A schema, the states that are active at first, and a mutation: what comes out?"""

    title: str
    schema: dict[str, dict[str, Any]]
    before: tuple[str, ...]
    kind: str
    called: tuple[str, ...]
    answer: str
    why: str


TRAFFIC = ["Red", "Yellow", "Green"]
QUIZZES = (
    Quiz(
        "a requirement is missing",
        {"Dinner": {"require": ["Kitchen"]}, "Kitchen": {}},
        (),
        "add",
        ("Dinner",),
        "()",
        "Dinner cannot be without Kitchen, so the whole mutation is canceled.",
    ),
    Quiz(
        "an auto state follows",
        {"Processing": {}, "InProgress": {"auto": True, "require": ["Processing"]}},
        (),
        "add",
        ("Processing",),
        "(Processing:1 InProgress:1)",
        "Nobody called InProgress: auto states are tried after each change.",
    ),
    Quiz(
        "it goes with what it requires",
        {"Processing": {}, "InProgress": {"auto": True, "require": ["Processing"]}},
        ("Processing",),
        "remove",
        ("Processing",),
        "()",
        "A state that loses what it requires is left, too.",
    ),
    Quiz(
        "dry, wet, water",
        {
            "Wet": {"require": ["Water"]},
            "Dry": {"remove": ["Wet"]},
            "Water": {"add": ["Wet"], "remove": ["Dry"]},
        },
        ("Dry",),
        "add",
        ("Water",),
        "(Wet:1 Water:1)",
        "Dry would keep Wet away, but Water removes Dry: who is removed cannot remove.",
    ),
    Quiz(
        "removed by an implied state",
        {"Rain": {"add": ["Clouds"]}, "Clouds": {"remove": ["Sun"]}, "Sun": {}},
        ("Sun",),
        "add",
        ("Rain",),
        "(Rain:1 Clouds:1)",
        "An implied state has relations like any other: Rain adds Clouds, Clouds remove Sun.",
    ),
    Quiz(
        "adds are optional, removals win",
        {"Party": {"add": ["Music"]}, "Music": {}, "Night": {"remove": ["Music"]}},
        ("Night",),
        "add",
        ("Party",),
        "(Party:1 Night:1)",
        "Night refuses Music, and Party does not insist: only `require` insists.",
    ),
    Quiz(
        "one of a group",
        {name: {"remove": TRAFFIC} for name in TRAFFIC},
        ("Red",),
        "add",
        ("Green",),
        "(Green:1)",
        "All remove each other. A called state beats an active one.",
    ),
    Quiz(
        "who comes after whom",
        {"Tea": {"after": ["Water"]}, "Milk": {}, "Water": {}},
        (),
        "add",
        ("Tea", "Milk", "Water"),
        "(Tea:1 Milk:1 Water:1)",
        "`after` changes no outcome, only the order in which handlers run.",
    ),
)


class Steps(am.Tracer):
    """Prints why a transition came out as it did."""

    def transition_end(self, transition: am.Transition) -> None:
        """One line per transition: the mutation, its steps, its target in resolved order."""
        label = f"{'auto ' if transition.auto else ''}{transition.kind}"
        told = (step for step in transition.steps if step.relation != "after")  # see the target
        steps = ", ".join(dict.fromkeys(str(step).replace("*", "") for step in told))
        target = " ".join(transition.target) or "nothing"
        print(f"   {label} {' '.join(transition.called)}: {steps} -> {target}")


def ask(quiz: Quiz) -> am.Machine:
    """Play one quiz and return its machine."""
    mach = am.Machine(quiz.schema, id=quiz.title)
    mach.set(*quiz.before)
    mach.sem_log.steps = True
    mach.bind_tracer(Steps())
    print(f"\n{quiz.title}: {mach}, {quiz.kind} {' '.join(quiz.called)}")
    result = mach.add(*quiz.called) if quiz.kind == "add" else mach.remove(*quiz.called)
    print(f"   {result}: {mach}\n   {quiz.why}")
    return mach


def story() -> list[am.Machine]:
    """Play every quiz."""
    print(f"{len(QUIZZES)} quizzes")
    return [ask(quiz) for quiz in QUIZZES]


def main() -> None:
    """Run the story; no event loop is needed."""
    story()


if __name__ == "__main__":
    main()
