"""The example tells the story of its README, and every answer is right."""

from __future__ import annotations

import pytest

from examples.relations_playground.main import QUIZZES, Quiz, ask, story


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    story()
    assert capsys.readouterr().out == told


@pytest.mark.parametrize("quiz", QUIZZES, ids=[quiz.title for quiz in QUIZZES])
def test_the_machine_answers_as_the_quiz_says(quiz: Quiz) -> None:
    assert str(ask(quiz)) == quiz.answer


def test_every_relation_has_a_quiz() -> None:
    used = {relation for quiz in QUIZZES for state in quiz.schema.values() for relation in state}
    assert used == {"require", "auto", "add", "remove", "after"}
