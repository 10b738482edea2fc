"""The example tells the story of its README, and agrees with a regular expression."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from examples.nfa.main import WORDS, accepts, story

THIRD_FROM_THE_END = re.compile("[01]*1[01]{2}")


def expected(bits: str) -> bool:
    return THIRD_FROM_THE_END.fullmatch(bits) is not None


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    story()
    assert capsys.readouterr().out == told


def test_the_table_holds_words_of_both_kinds() -> None:
    assert [accepts(word) for word in WORDS] == [expected(word) for word in WORDS]
    assert {expected(word) for word in WORDS} == {True, False}


@settings(deadline=None)
@given(st.text("01", max_size=40))
def test_it_agrees_with_a_regular_expression(bits: str) -> None:
    assert accepts(bits) is expected(bits)
