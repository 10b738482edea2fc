"""Ranges of versions of siblings: both bounds, and the upper one follows a release.

A release may break what it says in its news only if it is a new minor version (or a major one, from
1.0 on), hence the first version that a range leaves out is the next of those.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from packaging.specifiers import SpecifierSet

if TYPE_CHECKING:
    from release.tree import Package


def ceiling(version: str) -> str:
    """The first version that may break users of this one, as 0.3 for 0.2.5, and 2 for 1.4.0."""
    major, minor, _ = version.split(".")
    return f"0.{int(minor) + 1}" if major == "0" else str(int(major) + 1)


def widened(text: str, name: str, version: str) -> str:
    """A build file's text with each range of a sibling reaching up to a version of it.

    A range that holds the version already stays as it is, and so does every lower bound: who
    begins to use something new raises that by hand.
    """

    def widen(match: re.Match[str]) -> str:
        head, low, high = match.groups()
        if SpecifierSet(f">={low},<{high}").contains(version):
            return match[0]
        return f'{head}>={low},<{ceiling(version)}"'

    pattern = rf'("{re.escape(name)}(?:\[[^\]]*\])?)>=([\d.]+),<([\d.]+)"'
    return re.sub(pattern, widen, text)


def widen_all(packages: dict[str, Package], name: str, version: str) -> list[str]:
    """Let every dependant's range hold a new version; the names of those that had to be changed."""
    changed: list[str] = []
    for package in packages.values():
        before = package.build_file.read_text()
        if (after := widened(before, name, version)) != before:
            package.build_file.write_text(after)
            changed.append(package.name)
    return changed


def floor(package: Package, sibling: str) -> str | None:
    """The lowest version of a sibling that a package says it works with; None if it needs none."""
    for need in package.needs(extras=True):
        if need.name == sibling:
            low = next(part.version for part in need.specifier if part.operator == ">=")
            return ".".join([*low.split("."), "0", "0"][:3])
    return None
