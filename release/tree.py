"""What the build files of the tree say: names, versions, and who needs whom."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

if TYPE_CHECKING:
    from pathlib import Path

VERSION = re.compile(r'^__version__ = "(\d+\.\d+\.\d+)"$', re.MULTILINE)
PARTS = ("major", "minor", "patch")


@dataclass(frozen=True)
class Package:
    """One distribution, by the folder that it is made from."""

    folder: Path

    @property
    def name(self) -> str:
        """The name of the distribution, as in ``am-rpc``."""
        return self.folder.name

    @property
    def build_file(self) -> Path:
        """Its `pyproject.toml`."""
        return self.folder / "pyproject.toml"

    @property
    def version_file(self) -> Path:
        """The module that holds its version and nothing else."""
        return self.folder / "src" / self.name.replace("-", "_") / "__about__.py"

    @property
    def project(self) -> dict[str, Any]:
        """The table `project` of its build file."""
        project: dict[str, Any] = tomllib.loads(self.build_file.read_text())["project"]
        return project

    @property
    def version(self) -> str:
        """The version that the tree holds.

        :raises ValueError: if its file holds none.
        """
        found = VERSION.search(self.version_file.read_text())
        if found is None:
            raise ValueError(f"{self.version_file} holds no version")
        return found[1]

    @property
    def fragments(self) -> list[Path]:
        """News that no release has told yet."""
        return sorted((self.folder / "newsfragments").glob("*.md"))

    def needs(self, *, extras: bool = False) -> list[Requirement]:
        """What it needs; with that of its extras if asked for."""
        texts = list(self.project.get("dependencies", ()))
        if extras:
            for more in self.project.get("optional-dependencies", {}).values():
                texts += more
        return [Requirement(text) for text in texts]

    def write_version(self, version: str) -> None:
        """Replace the version that the tree holds."""
        text = self.version_file.read_text()
        self.version_file.write_text(VERSION.sub(f'__version__ = "{version}"', text))


def packages(root: Path) -> dict[str, Package]:
    """Each distribution of a tree, by its name."""
    folders = sorted(path.parent for path in root.glob("packages/*/pyproject.toml"))
    return {folder.name: Package(folder) for folder in folders}


def next_version(version: str, part: str) -> str:
    """The version after this one: the next ``major``, ``minor`` or ``patch``, or the one named.

    :raises ValueError: if that is no part and no version, or not a later one.
    """
    numbers = [int(number) for number in version.split(".")]
    if part in PARTS:
        place = PARTS.index(part)
        return ".".join(map(str, [*numbers[:place], numbers[place] + 1, *[0] * (2 - place)]))
    if not re.fullmatch(r"\d+\.\d+\.\d+", part):
        raise ValueError(f"{part!r} is neither {', '.join(PARTS)} nor a version")
    if [int(number) for number in part.split(".")] <= numbers:
        raise ValueError(f"{part} does not come after {version}")
    return part


def tag_of(name: str, version: str) -> str:
    """What the commit of a release is tagged with."""
    return f"{name}-v{version}"
