"""What must hold of the built site: every link and anchor leads somewhere, inside it.

python -m docs.site.check FOLDER
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LISTED = re.compile(r"\]\(([^)]+)\)")
IMAGES = 5_000_000  # bytes of all pictures together
FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


@dataclass
class Page(HTMLParser):
    """What a page has that links may lead to, and what it leads to itself."""

    path: Path
    title: str = ""
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    fetched: list[str] = field(default_factory=list)
    mute: list[str] = field(default_factory=list)
    _in_title: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.path.read_text())

    def __hash__(self) -> int:
        return hash(self.path)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag offers and asks for."""
        given = {name: value or "" for name, value in attrs}
        self._in_title = tag == "title"
        self.anchors |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and given.get("href"):
            self.links.append(given["href"])
        if tag in FETCHED and given.get(FETCHED[tag]) and given.get("rel") != "canonical":
            self.fetched.append(given[FETCHED[tag]])
        if tag == "img" and not given.get("alt"):
            self.mute.append(given.get("src", "?"))

    def handle_endtag(self, tag: str) -> None:
        """Forget that a title was open."""
        if tag == "title":
            self._in_title = False

    def handle_data(self, data: str) -> None:
        """Note the title."""
        if self._in_title:
            self.title += data.strip()


def faults(site: Path) -> list[str]:
    """What is wrong with a built site, a line each."""
    pages = {path: Page(path) for path in sorted(site.rglob("*.html"))}
    found: list[str] = []
    for path, page in pages.items():
        name = path.relative_to(site)
        if not page.title:
            found.append(f"{name}: no title")
        found += [f"{name}: a picture without text: {source}" for source in page.mute]
        for link in page.fetched:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https") or parts.netloc:
                found.append(f"{name}: fetches {link}")
            elif parts.scheme != "data" and _file(site, path, parts.path) is None:
                found.append(f"{name}: lacks {link}")
        if name.name != "404.html":
            found += [f"{name}: {link}" for link in page.links if _astray(site, path, link, pages)]
    found += [f"llms.txt: {link}" for link in _listed(site) if not (site / link).is_file()]
    pictures = sum(p.stat().st_size for kind in ("svg", "png") for p in site.rglob(f"*.{kind}"))
    if pictures > IMAGES:
        found.append(f"pictures weigh {pictures} bytes")
    return found


def _listed(site: Path) -> list[str]:
    """Where the index for language models leads, if there is one."""
    index = site / "llms.txt"
    return LISTED.findall(index.read_text()) if index.is_file() else []


def _file(site: Path, page: Path, link: str) -> Path | None:
    start = site if link.startswith("/") else page.parent
    path = Path(start, unquote(link).lstrip("/")) if link else page
    path = path / "index.html" if path.is_dir() else path
    return path.resolve() if path.is_file() else None


def _astray(site: Path, page: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return False
    file = _file(site, page, parts.path)
    if file is None:
        return True
    anchor = unquote(parts.fragment)
    known = pages.get(file)
    return bool(anchor and known and anchor not in known.anchors and anchor != "__tabbed_1_1")


def main() -> int:
    """Check the site of the command line; the exit code is 1 if anything is wrong."""
    site = Path(sys.argv[1]).resolve()
    found = faults(site)
    count = len(list(site.rglob("*.html")))
    print("\n".join(found) or f"{count} pages: every link and anchor leads somewhere")
    return 1 if found or count < 2 else 0


if __name__ == "__main__":
    sys.exit(main())
