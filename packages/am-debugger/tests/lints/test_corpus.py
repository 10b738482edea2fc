"""What rules say of forty small programs: half of them were never looked at while rules were
made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pytest

from am_debugger._derive.lints.lints import RULES, lint

from .held_out import HELD_OUT
from .tuned import TUNED

if TYPE_CHECKING:
    from am_debugger._derive.lints.finding import Finding

    from .runs import Corpus, Program

PRECISION, RECALL = 0.9, 0.8


class Verdict(NamedTuple):
    """A program, what was found of its fault, and what was found beside it."""

    program: Program
    right: list[Finding]
    wrong: list[Finding]


def judge(program: Program) -> Verdict:
    right: list[Finding] = []
    wrong: list[Finding] = []
    for one in lint(program.run()):
        is_meant = one.rule == program.rule and f"{one.client.id}/{one.state}" == program.where
        (right if is_meant else wrong).append(one)
    return Verdict(program, right, wrong)


def figures(corpus: Corpus) -> tuple[float, float, list[str]]:
    """Precision, recall, and what was wrong or missed."""
    verdicts = [judge(program) for program in corpus.programs]
    right = sum([len(one.right) for one in verdicts])
    wrong = sum([len(one.wrong) for one in verdicts])
    planted = [one for one in verdicts if one.program.rule]
    met = [one for one in planted if one.right]
    told = [f"{v.program.name}: {f.rule}: {f.title}" for v in verdicts for f in v.wrong]
    told += [f"{v.program.name}: missed" for v in planted if not v.right]
    return right / max(right + wrong, 1), len(met) / len(planted), told


@pytest.mark.parametrize("corpus", [TUNED, HELD_OUT], ids=["tuned", "held out"])
def test_a_half_has_ten_faults_and_ten_without(corpus: Corpus) -> None:
    assert len(corpus.programs) == 20
    planted = [program.rule for program in corpus.programs if program.rule]
    assert len(planted) == 10
    assert set(planted) == RULES.keys()


def test_rules_find_what_they_were_tuned_for_and_nothing_else() -> None:
    precision, recall, told = figures(TUNED)
    assert (precision, recall) == (1, 1), told


def test_rules_hold_for_programs_they_were_not_tuned_for() -> None:
    precision, recall, told = figures(HELD_OUT)
    assert precision >= PRECISION, told
    assert recall >= RECALL, told
