"""Addresses in metadata and READMEs, all from the one in the tree's build file.

    python -m release.urls

Writes them into the packages. As long as that address is empty there is nothing to write: pages
then link to each other by relative paths alone.
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from release.tree import packages

if TYPE_CHECKING:
    from release.tree import Package

ROOT = Path(__file__).parent.parent
TABLE = re.compile(r"^\[project\.urls\]\n(?:.+\n)*\n?", re.MULTILINE)
RELATIVE = re.compile(r"(!?\[[^\]]*\]\()(?![a-z]+:|#|/)([^)\s]+)(\))")


def base(root: Path) -> str:
    """The one address, without a slash at its end; empty if there is none yet."""
    url: str = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["asyncmachine"]["url"]
    return url.rstrip("/")


def urls(url: str, name: str) -> dict[str, str]:
    """What a package's metadata links to; nothing without an address."""
    if not url:
        return {}
    folder = f"{url}/blob/main/packages/{name}"
    return {
        "Homepage": url,
        "Documentation": f"{folder}/README.md",
        "Changelog": f"{folder}/CHANGELOG.md",
        "Issues": f"{url}/issues",
        "Source": f"{url}/tree/main/packages/{name}",
    }


def with_urls(build_file: str, wanted: dict[str, str]) -> str:
    """A build file's text with these addresses in place of those it has."""
    text = TABLE.sub("", build_file)
    if not wanted:
        return text
    table = "[project.urls]\n" + "".join(f'{name} = "{url}"\n' for name, url in wanted.items())
    place = text.index("\n[", text.index("\ndependencies = ")) + 1
    return f"{text[:place]}{table}\n{text[place:]}"


def with_absolute_links(readme: str, url: str, folder: str) -> str:
    """A README's text whose links work wherever it is shown; the same without an address."""
    if not url:
        return readme

    def absolute(match: re.Match[str]) -> str:
        path, hash_, anchor = match[2].partition("#")
        parts: list[str] = folder.split("/")
        for part in path.split("/"):
            if part == "..":
                parts.pop()
            elif part != ".":
                parts.append(part)
        kind = "raw" if match[1].startswith("!") else "blob"
        return f"{match[1]}{url}/{kind}/main/{'/'.join(parts)}{hash_}{anchor}{match[3]}"

    return RELATIVE.sub(absolute, readme)


def follows(package: Package, url: str) -> bool:
    """Whether a package's metadata and README are what the one address makes of them."""
    readme = (package.folder / "README.md").read_text()
    folder = f"packages/{package.name}"
    return (
        package.project.get("urls", {}) == urls(url, package.name)
        and with_absolute_links(readme, url, folder) == readme
    )


def main() -> int:
    """Write the addresses into every package."""
    url = base(ROOT)
    for package in packages(ROOT).values():
        text = with_urls(package.build_file.read_text(), urls(url, package.name))
        package.build_file.write_text(text)
        readme = package.folder / "README.md"
        folder = f"packages/{package.name}"
        readme.write_text(with_absolute_links(readme.read_text(), url, folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
