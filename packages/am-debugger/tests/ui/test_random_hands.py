"""Keys, clicks, wheels and texts at random, faster than the screen is drawn, while machines tell
of themselves, dumps are loaded, memory is short and the terminal changes its size: nothing of it
may end the debugger.

`AM_DBG_HANDS` is the number of runs (2 in CI, 200 at night), `AM_DBG_HANDS_FIRST` the
seed of the first. A failure names the seed, and what was done last.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from am_debugger import DebuggerError

from .driving import drive
from .hands import Hands

if TYPE_CHECKING:
    from pathlib import Path

RUNS = int(os.environ.get("AM_DBG_HANDS", "2"))
FIRST = int(os.environ.get("AM_DBG_HANDS_FIRST", "0"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + RUNS))
def test_nothing_that_hands_do_at_random_ends_the_debugger(seed: int, tmp_path: Path) -> None:
    hands = Hands(seed, tmp_path)
    try:
        instance = drive(tmp_path, hands.play, fill=hands.crowd.fill, options=hands.options)
    finally:
        print(f"seed {seed}; done last: {hands.done[-15:]}")
    error = instance.debugger.machine.err
    # A dump that cannot be read, or written under such a name, is told and left.
    assert error is None or isinstance(error, (DebuggerError, OSError)), error
