"""The list of public names, and where each is seen at work: `python -m docs.site.table`.

A name is at work in a block of a page that is run, or in an example. Those that are nowhere would
have an empty last column, and are counted at the end.
"""

from __future__ import annotations

import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from docs.site.names import Name, public_names
from docs.site.sources import LAYERS, ROOT, pages, title
from docs.site.usage import used

if TYPE_CHECKING:
    from collections.abc import Iterable

INDEX = Path("docs/reference/index.md")


@cache
def shown(root: Path) -> tuple[tuple[Path, set[str]], ...]:
    """Pages with the names that the code uses which they show, manual and examples first."""
    found: list[tuple[Path, set[str]]] = []
    for page in pages(root):
        if page == INDEX or page.name == "CHANGELOG.md":
            continue
        is_example = page.parts[0] == "examples"
        folder = (root / page).parent
        sources = [*folder.glob("*.py"), *folder.glob("*.ipynb")] if is_example else []
        found.append((page, used(root / page, sources)))
    first = ("docs/manual", "examples", "packages")
    ranks = {prefix: rank for rank, prefix in enumerate(first)}

    def rank(pair: tuple[Path, set[str]]) -> int:
        return next((ranks[one] for one in first if str(pair[0]).startswith(one)), len(first))

    return tuple(sorted(found, key=rank))


def at_work(name: Name, code: Iterable[tuple[Path, set[str]]]) -> Path | None:
    """The first page that shows a name; None if none does."""
    return next((page for page, names in code if name.path in names), None)


def holes(root: Path = ROOT) -> list[str]:
    """Public names that no page and no example shows at work."""
    code = shown(root)
    return [name.path for name in public_names() if at_work(name, code) is None]


def table(root: Path = ROOT) -> str:
    """The list, in Markdown, with a chapter for each package."""
    code = shown(root)
    names = public_names()
    lines: list[str] = []
    for layer in LAYERS:
        own = [name for name in names if name.package == f"am-{layer}"]
        lines += [f"## am-{layer}", ""]
        lines += ["| name | what | at work in |", "| ---- | ---- | ---------- |"]
        for name in own:
            page = at_work(name, code)
            link = ""
            if page is not None:
                path = os.path.relpath(root / page, root / INDEX.parent)
                link = f"[{title((root / page).read_text()).partition(':')[0]}]({path})"
            what = name.summary.replace("|", "\\|") or name.kind
            lines.append(f"| `{name.path}` | {what} | {link} |")
        lines.append("")
    return "\n".join(lines)


def main() -> int:
    """Print the list, and how many names are at work nowhere."""
    print(table())
    print(f"{len(public_names())} names, {len(holes())} of them at work nowhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
