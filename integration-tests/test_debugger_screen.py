"""`am-dbg` on a real terminal, in tmux: a program is looked at by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .debuggers import export
from .terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    with Terminal(tmp_path) as made:
        made.until("choose a machine")
        yield made


def test_a_program_is_looked_at_by_keys(terminal: Terminal, tmp_path: Path) -> None:
    export(tmp_path, 20, "dbg")
    terminal.until("worker")
    terminal.press("Enter")
    terminal.until("Transition 41 / 41")
    terminal.press("Left")
    shown = terminal.until("Transition 40 / 41")
    assert "[add] Work" not in shown  # a line of level 3
    assert "[state] +Work (id=19)" in shown
    terminal.press("?")
    terminal.until("play or pause")
    terminal.press("C-q")
    terminal.assert_sane(0)
    assert "am-dbg: 1 machines, 41 transitions, " in terminal.text()
