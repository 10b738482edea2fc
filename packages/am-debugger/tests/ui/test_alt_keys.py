"""Letters with `alt` are told as soon as they come, without waiting for more of a sequence."""

from __future__ import annotations

from textual import events
from textual._xterm_parser import XTermParser

from am_debugger._ui.alt_keys import know_alt_letters
from am_debugger._ui.keys import KEYS, PANE_KEYS


def told(*pieces: str) -> list[str]:
    """The keys that are told by what a terminal sends, before any time has passed."""
    parser = XTermParser()
    found = [message for piece in pieces for message in parser.feed(piece)]
    return [message.key for message in found if isinstance(message, events.Key)]


def test_each_key_with_alt_is_told_at_once() -> None:
    know_alt_letters()
    keys = [*KEYS, *(key for of_pane in PANE_KEYS.values() for key in of_pane)]
    letters = {name for key in keys for name in key.keys if name.startswith("alt+")}
    letters -= {"alt+left", "alt+right"}
    assert len(letters) > 10
    for name in letters:
        letter = name.removeprefix("alt+")
        assert told(f"\x1b{letter}") == [name]
        assert told("\x1b", letter) == [name], "a terminal that is far away sends them in pieces"


def test_longer_sequences_are_told_as_before() -> None:
    know_alt_letters()
    assert told("\x1b[D") == ["left"]
    assert told("\x1b[1;3D") == ["alt+left"]
    assert told("\x1bOP") == ["f1"]
    assert told("\x1b[104;3u") == ["alt+h"]
    assert told("\x1b") == [], "an escape may be the first of more"
    assert told("\x1bha") == ["alt+h", "a"]
    assert told("\x1bh\x1bl") == ["alt+h", "alt+l"]
