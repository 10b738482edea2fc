"""Two made-up releases of everything: which of them the pins let together."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from packaging.requirements import Requirement

from release.ranges import widen_all
from release.tree import Package, next_version, packages

ROOT = Path(__file__).parent.parent
BROKEN = ("am-machine", "am-rpc")  # have a minor release; all others a patch release
Releases = dict[str, dict[str, list[Requirement]]]
"""What each release of each distribution needs, by name and version."""


def copy_of_the_tree(folder: Path) -> dict[str, Package]:
    """The packages without their tests, to be released as often as one likes."""
    for package in packages(ROOT).values():
        target = folder / "packages" / package.name
        shutil.copytree(package.folder / "src", target / "src")
        for name in ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
            shutil.copy(package.folder / name, target / name)
    shutil.copy(ROOT / "pytest.toml", folder)
    return packages(folder)


def next_releases(tree: dict[str, Package]) -> None:
    """Raise every version; ranges follow, as the release command has them follow."""
    for name, package in tree.items():
        version = next_version(package.version, "minor" if name in BROKEN else "patch")
        package.write_version(version)
        widen_all(tree, name, version)


def needs_of(tree: dict[str, Package]) -> dict[str, tuple[str, list[Requirement]]]:
    return {
        name: (package.version, [need for need in package.needs(extras=True) if need.name in tree])
        for name, package in tree.items()
    }


def allowed(releases: Releases) -> list[dict[str, str]]:
    """Every choice of one release of each distribution that all ranges agree to."""
    names = list(releases)
    choices = (
        dict(zip(names, versions, strict=True))
        for versions in itertools.product(*(releases[name] for name in names))
    )
    return [
        choice
        for choice in choices
        if all(
            need.specifier.contains(choice[need.name])
            for name, version in choice.items()
            for need in releases[name][version]
        )
    ]


def both(folder: Path) -> tuple[Releases, dict[str, Package]]:
    tree = copy_of_the_tree(folder)
    releases: Releases = {name: {} for name in tree}
    for _ in range(2):
        for name, (version, needs) in needs_of(tree).items():
            releases[name][version] = needs
        if all(len(versions) == 1 for versions in releases.values()):
            next_releases(tree)
    return releases, tree


def test_pins_let_old_together_and_new_together_and_no_old_one_on_a_broken_one(
    tmp_path: Path,
) -> None:
    releases, _ = both(tmp_path)
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
