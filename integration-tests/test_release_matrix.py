"""Two made-up releases of everything: which of them the pins let together.

Session `matrix` installs each choice that is allowed, and imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from release.made_up import BROKEN, allowed, both

if TYPE_CHECKING:
    from pathlib import Path


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
