"""Two made-up releases of everything, and which of them the pins let together."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from release.ranges import widen_all
from release.tree import Package, next_version, packages

if TYPE_CHECKING:
    from collections.abc import Callable

    from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
BROKEN = ("am-machine", "am-rpc")  # have a minor release; all others a patch release
Releases = dict[str, dict[str, "list[Requirement]"]]
"""What each release of each distribution needs, by name and version."""


def copy_of_the_tree(folder: Path) -> dict[str, Package]:
    """The packages without their tests, to be released as often as one likes."""
    for package in packages(ROOT).values():
        target = folder / "packages" / package.name
        shutil.copytree(
            package.folder / "src", target / "src", ignore=shutil.ignore_patterns("__pycache__")
        )
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
    """The version of each, and what of the others it needs, extras included."""
    return {
        name: (package.version, [need for need in package.needs(extras=True) if need.name in tree])
        for name, package in tree.items()
    }


def both(
    folder: Path, each: Callable[[dict[str, Package]], object] = lambda tree: None
) -> Releases:
    """Make the two releases in a folder; `each` is called when the tree holds one of them."""
    tree = copy_of_the_tree(folder)
    releases: Releases = {name: {} for name in tree}
    for number in range(2):
        if number:
            next_releases(tree)
        for name, (version, needs) in needs_of(tree).items():
            releases[name][version] = needs
        each(tree)
    return releases


def choices(releases: Releases) -> list[dict[str, str]]:
    """Every choice of one release of each distribution."""
    names = list(releases)
    return [
        dict(zip(names, versions, strict=True))
        for versions in itertools.product(*(releases[name] for name in names))
    ]


def is_allowed(releases: Releases, choice: dict[str, str]) -> bool:
    """Whether all ranges agree to a choice."""
    return all(
        need.specifier.contains(choice[need.name])
        for name, version in choice.items()
        for need in releases[name][version]
    )


def allowed(releases: Releases) -> list[dict[str, str]]:
    """Every choice that all ranges agree to."""
    return [choice for choice in choices(releases) if is_allowed(releases, choice)]
