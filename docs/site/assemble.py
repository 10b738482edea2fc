"""Lay the pages of the tree out as the site wants them, with a reference beside them.

What links to a page, a picture or a file in the tree links to the same on the site. Nothing is
written twice: the tree's pages stay readable where they are.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from docs.site import features
from docs.site.docstrings import style
from docs.site.inner import inner
from docs.site.names import Name, public_names
from docs.site.sources import LAYERS, ROOT, TITLE, sections, title
from docs.site.table import table
from release.tree import Package

if TYPE_CHECKING:
    from collections.abc import Iterator

LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
PICTURE = re.compile(r"!\[([^\]]*)\]\(([^)\s#]+)\.svg\)")
FENCE = re.compile(r"^(```.*?^```[^\n]*$)", re.DOTALL | re.MULTILINE)
NAME_CELL = re.compile(r"^\| `((?:\w+\.)+\w+)` \|", re.MULTILINE)
REFERENCE = Path("docs/reference")
STABILITY = Path("docs/stability.md")
LAYERS_BY_NAME = {f"am-{layer}" for layer in LAYERS}
NAMES = "<!-- names -->"  # where the list of names goes
FEATURES = "<!-- features -->"  # and that of what can be done with them


class AstrayError(Exception):
    """A link of a page leads nowhere; the text says which."""


def place(page: Path) -> Path:
    """Where a page of the tree lies on the site: what a folder is entered by is its index."""
    return page.with_name("index.md") if page.name == "README.md" else page


def prose(text: str) -> Iterator[tuple[bool, str]]:
    """The parts of a page in order, and of each whether it is prose and no block of code."""
    for number, part in enumerate(FENCE.split(text)):
        yield number % 2 == 0, part


class Layout:
    """The folder that the site is built from."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        self.groups = sections(root)
        self.known = {page for group in self.groups.values() for page in group}

    def target(self, page: Path, link: str) -> Path:
        """What a link of a page means, as a path of the site; files are brought along.

        :raises AstrayError: if there is no such page, file or front page of a folder.
        """
        found = Path(os.path.normpath(self.root / page.parent / link)).relative_to(self.root)
        if (self.root / found).is_dir():
            found = found / "README.md"
        if found in self.known:
            return place(found)
        if not (self.root / found).is_file():
            raise AstrayError(f"{page}: {link}")
        # What begins with a dot is left out of a site.
        copy = self.folder / Path(*(part.lstrip(".") for part in found.parts))
        if found.suffix not in (".svg", ".png"):
            # Shown as text by any browser, not offered as a program to keep.
            copy = copy.with_name(f"{copy.name}.txt")
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self.root / found, copy)
        return copy.relative_to(self.folder)

    def adapted(self, page: Path, text: str) -> str:
        """A page's text whose links fit the site."""
        home = place(page).parent

        def relink(match: re.Match[str]) -> str:
            if "://" in match[2] or match[2].startswith("mailto:"):
                return match[0]
            path = os.path.relpath(self.target(page, match[2]), home)
            return f"{match[1]}{path}{match[3]}"

        parts: list[str] = []
        for is_prose, part in prose(text):
            if is_prose:
                part = self._in_both_shades(page, part)
                part = LINK.sub(relink, part).replace("<details>", '<details markdown="1">')
            parts.append(part)
        return "".join(parts)

    def _in_both_shades(self, page: Path, text: str) -> str:
        """A picture that is there for dark pages as well becomes two: the site shows one."""

        def both(match: re.Match[str]) -> str:
            alt, path = match.groups()
            if not (self.root / page.parent / f"{path}-dark.svg").is_file():
                return match[0]
            return f"![{alt}]({path}.svg#only-light)![{alt}]({path}-dark.svg#only-dark)"

        return PICTURE.sub(both, text)

    def write(self) -> list[object]:
        """Write all pages; the navigation, as the build file has it."""
        navigation: list[object] = []
        for heading, group in self.groups.items():
            entries = [entry(heading, *self._page(page)) for page in group]
            if heading == "Reference":
                entries += [{f"am_{layer}": f"{REFERENCE}/am-{layer}.md"} for layer in LAYERS]
            navigation.append({heading: entries})
        names = public_names()
        for layer in LAYERS:
            own = [name for name in names if name.package == f"am-{layer}"]
            (self.folder / REFERENCE / f"am-{layer}.md").write_text(reference(f"am-{layer}", own))
        return navigation

    def _page(self, page: Path) -> tuple[str, str]:
        """Lay a page out; its title, and where it lies."""
        text = (self.root / page).read_text()
        if page == REFERENCE / "index.md":
            text = NAME_CELL.sub(_linked, text.replace(NAMES, table(self.root)))
            text = self._adapted_index(text)
        elif page == features.PAGE:
            text = self.adapted(page, text.replace(FEATURES, features.table(self.root)))
        else:
            text = self.adapted(page, text)
        if page.name == "README.md" and page.parts[0] == "packages":
            to_stability = os.path.relpath(STABILITY, place(page).parent)
            text = TITLE.sub(
                rf"\g<0>\n\n{at_a_glance(self.root / page.parent, to_stability)}", text, 1
            )
        target = self.folder / place(page)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return title(text), str(place(page))

    def _adapted_index(self, text: str) -> str:
        """The list of names: links into the reference are those of the site already."""
        home = REFERENCE

        def relink(match: re.Match[str]) -> str:
            if re.fullmatch(r"am-[a-z]+\.md", match[2]):
                return match[0]
            path = os.path.relpath(self.target(home / "index.md", match[2]), home)
            return f"{match[1]}{path}{match[3]}"

        return LINK.sub(relink, text)


def _linked(match: re.Match[str]) -> str:
    package = match[1].partition(".")[0].replace("_", "-")
    return f"| [`{match[1]}`]({package}.md#{match[1]}) |"


def reference(package: str, names: list[Name]) -> str:
    """The page of a package's public names, which mkdocstrings fills in."""
    lines = [f"# Reference: {package}", ""]
    module = ""
    for name in names:
        if name.module != module:
            module = name.module
            lines += [f"## {module}", ""]
        lines += [f"::: {name.path}", *_options(name), ""]
    return "\n".join(lines)


def _options(name: Name) -> list[str]:
    """What one name asks for. Members of a private name are kept off the page, as everywhere, and
    so are inner ones; those that come from several files have no order but that of their names."""
    asked: list[str] = []
    hidden = sorted(member for member in inner(name.path) if not member.endswith("="))
    if hidden:
        asked.append(f'      filters: ["!^_[^_]", "!^({"|".join(hidden)})$"]')
    value = name.value()
    if (told := style(getattr(value, "__doc__", None) or "")) != "sphinx":
        asked.append(f"      docstring_style: {told}")  # a name's own is asked for, not found out
    if isinstance(value, type) and any(map(features.is_ours, features.hidden_bases(value))):
        asked.append("      members_order: alphabetical")
    return ["    options:", *asked] if asked else []


def at_a_glance(folder: Path, stability: str) -> str:
    """What a package is among the others, in a line for the top of its page."""
    package = Package(folder)
    below = [need.name for need in package.needs() if need.name in LAYERS_BY_NAME]
    extras = sorted(package.project.get("optional-dependencies", {}))
    parts = [
        f"Version {package.version}",
        f"on {' and '.join(below)}" if below else "the bottom layer",
        f"extras {', '.join(f'`{extra}`' for extra in extras)}" if extras else "no extras",
        f"[what you may rely on]({stability})",
    ]
    return " · ".join(parts)


def entry(heading: str, heads: str, path: str) -> str | dict[str, str]:
    """A page in the navigation: what its title has in common with its neighbours' is left out."""
    before, colon, after = heads.partition(": ")
    if not colon or heading not in ("Cookbook", "Examples"):
        return path
    return {before if heading == "Examples" else after.capitalize(): path}


def build_file(navigation: list[object]) -> str:
    """The build file of the site: what never changes, and the navigation."""
    text = (Path(__file__).parent / "zensical.toml").read_text()
    paths = [str(ROOT / "packages" / f"am-{layer}" / "src") for layer in LAYERS]
    rows = ",\n".join(f"  {_toml(entry)}" for entry in navigation)
    whole = text.replace('"@NAV@"', f"[\n{rows}\n]").replace('"@PATHS@"', json.dumps(paths))
    return whole.replace("@SITE@", str(Path(__file__).parent))


def _toml(entry: object) -> str:
    if isinstance(entry, list):
        return f"[{', '.join(map(_toml, entry))}]"
    if isinstance(entry, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in entry.items()) + " }"
    return json.dumps(entry)


def assemble(folder: Path, root: Path = ROOT) -> Path:
    """Fill an empty folder with pages and a build file; the latter's path.

    :raises AstrayError: if a link of a page leads nowhere.
    """
    pages = folder / "docs"
    pages.mkdir(parents=True)
    layout = Layout(root, pages)
    navigation = layout.write()
    shutil.copytree(Path(__file__).parent / "assets", pages / "assets")
    path = folder / "zensical.toml"
    path.write_text(build_file(navigation))
    return path
