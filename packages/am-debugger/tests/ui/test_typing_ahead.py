"""Search by typing: words, pauses, going round."""

from __future__ import annotations

from am_debugger._ui.typing_ahead import PAUSE, TypingAhead, letter_of

NAMES = ["Start", "Ready", "Working", "WorkDone", "Ready2"]


def test_letters_typed_soon_after_each_other_make_a_word() -> None:
    typing = TypingAhead()
    assert typing.typed("w", 0.0, NAMES, 0) == 2
    assert typing.typed("o", 1.0, NAMES, 2) == 2
    for k, letter in enumerate("rkd"):
        found = typing.typed(letter, 1.2 + k / 10, NAMES, 2)
    assert found == 3


def test_after_a_pause_a_new_word_begins_and_the_search_goes_round() -> None:
    typing = TypingAhead()
    assert typing.typed("r", 0.0, NAMES, 0) == 1
    assert typing.typed("r", PAUSE + 0.1, NAMES, 1) == 4
    assert typing.typed("r", 2 * PAUSE + 0.2, NAMES, 4) == 1


def test_a_name_that_begins_so_comes_before_one_that_holds_it() -> None:
    typing = TypingAhead()
    assert typing.typed("d", 0.0, NAMES, 0) == 1  # reaDy
    assert TypingAhead().typed("z", 0.0, NAMES, 0) is None
    assert TypingAhead().typed("z", 0.0, [], 0) is None


def test_keys_are_told_by_name() -> None:
    assert [letter_of(key) for key in ("a", "minus", "underscore", "space", "alt+a", "ä")] == [
        "a", "-", "_", "", "", "",
    ]  # fmt: skip
