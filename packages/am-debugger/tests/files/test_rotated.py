"""Dumps that are written again and again: the last ones stay, and nothing of others goes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from am_debugger._files.port import KEPT_DUMPS, forget_old, rotated_name

if TYPE_CHECKING:
    from pathlib import Path


def test_the_last_ones_stay_and_what_was_exported_by_a_name_of_its_own(tmp_path: Path) -> None:
    first = datetime(2026, 1, 31, 23, 59, 58)
    names = [rotated_name(first + k * timedelta(microseconds=1)) for k in range(KEPT_DUMPS + 2)]
    own = ["am-dbg-1.amdbg.gz", "am-dbg-20260131.amdbg.gz", "am-dbg-dump.amdbg.gz"]
    for name in (*names, *own):
        (tmp_path / name).touch()
    assert [path.name for path in forget_old(tmp_path)] == names[:2]
    assert {path.name for path in tmp_path.iterdir()} == {*names[2:], *own}
    assert not forget_old(tmp_path)
