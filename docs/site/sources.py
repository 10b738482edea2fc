"""Which files of the tree are pages of the site, in which order, and under which headings."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LAYERS = ("machine", "helpers", "telemetry", "rpc", "node", "pubsub", "debugger")
TITLE = re.compile(r"^# +(.+)$", re.MULTILINE)
MANUAL = re.compile(r"^\d+\. \[[^\]]+\]\(([\w-]+\.md)\)", re.MULTILINE)
RECIPES = re.compile(r"^\*\*\[[^\]]+\]\(([\w-]+\.md)\)", re.MULTILINE)


def pages(root: Path) -> list[Path]:
    """Every Markdown file that readers may look at, relative to the tree."""
    patterns = (
        "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md",
        "docs/**/*.md", "examples/**/*.md", "packages/*/README.md", "packages/*/CHANGELOG.md",
        "packages/*/docs/**/*.md",
    )  # fmt: skip
    found = {path.relative_to(root) for pattern in patterns for path in root.glob(pattern)}
    return sorted(found)


def title(text: str) -> str:
    """The heading that a page begins with, as plain text.

    :raises ValueError: if it has none.
    """
    match = TITLE.search(text)
    if match is None:
        raise ValueError("a page without a title")
    return match[1].replace("`", "").strip()


def sections(root: Path) -> dict[str, list[Path]]:
    """The pages of the site in the order of its navigation, by heading.

    :raises ValueError: if a section names a page that is not there.
    """
    every = pages(root)
    manual = Path("docs/manual")
    chapters = MANUAL.findall((root / manual / "index.md").read_text())
    recipes = Path("docs/cookbook")
    listed = RECIPES.findall((root / recipes / "index.md").read_text())
    cookbook = [recipes / "index.md", *(recipes / name for name in listed)]

    def under(folder: str) -> list[Path]:
        """Pages below a folder, its own front page before the others."""
        inside = [path for path in every if path.is_relative_to(folder)]
        return sorted(inside, key=lambda path: (path.stem not in ("index", "README"), path))

    learn = [Path("docs", name) for name in ("questions.md", "tutorial.md")]
    look_up = [
        Path("docs", name)
        for name in (
            "cheat-sheet.md", "environment.md", "operations.md", "faq.md", "comparison.md",
            "diagrams.md", "schemas.md", "benchmarks.md", "benchmarks-rpc.md", "stability.md",
        )
    ]  # fmt: skip
    result = {
        "Home": [Path("README.md"), Path("docs/index.md")],
        "Learn": [path for path in learn if path in every],
        "Manual": [manual / "index.md", *(manual / name for name in chapters)],
        "Cookbook": cookbook,
        "Examples": under("examples"),
        **{f"am-{layer}": under(f"packages/am-{layer}") for layer in LAYERS},
        "Reference": under("docs/reference"),
        "Look up": [path for path in look_up if path in every],
        "For those who change it": [
            *(Path(name) for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "RELEASING.md")),
            Path("SECURITY.md"),
            *under("docs/decisions"),
        ],
    }
    placed = [path for group in result.values() for path in group]
    if lost := {*placed} - {*every}:
        raise ValueError(f"not there: {', '.join(map(str, sorted(lost)))}")
    for path in sorted({*every} - {*placed}):
        # A page that nobody has put into an order yet is found beside those it lies with.
        result["Manual" if path.parent == manual else "Look up"].append(path)
    return result
