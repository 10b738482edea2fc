"""Two made-up releases of everything: which of them the pins let together.

Session `matrix` installs each choice that is allowed, and imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from release import matrix
from release.made_up import BROKEN, allowed, both

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_pins_let_old_together_and_new_together_and_no_old_one_on_a_broken_one(
    tmp_path: Path,
) -> None:
    releases = both(tmp_path)
    assert all(len(versions) == 2 for versions in releases.values())
    found = allowed(releases)
    old = {name: min(versions) for name, versions in releases.items()}
    new = {name: max(versions) for name, versions in releases.items()}
    assert old in found
    assert new in found
    for choice in found:
        for name in BROKEN:
            users = [user for user, vs in releases.items() if any(
                need.name == name for need in vs[choice[user]]
            )]  # fmt: skip
            if choice[name] == new[name]:
                assert {choice[user] for user in users} == {new[user] for user in users}
    # A new dependant goes with an old release below, whose range it has kept.
    assert {**old, "am-helpers": new["am-helpers"]} in found


def test_a_combination_that_is_installed_and_does_not_work_is_told_and_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    releases = both(tmp_path)
    good = allowed(releases)
    broken = {name: min(versions) for name, versions in releases.items()}
    monkeypatch.setattr(
        matrix, "fault_of_allowed", lambda _, choice: "no import" if choice == broken else None
    )
    monkeypatch.setattr(matrix, "fault_of_forbidden", lambda *_: None)
    assert matrix.faults(releases, tmp_path) == ["no import"]
    told = capsys.readouterr().out
    assert f"imported: {len(good) - 1} of {len(good)} combinations" in told
