"""What pages print for a shell."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md", "packages/*/*.md")
    for page in [*ROOT.glob(pattern), *(ROOT.glob("packages/*/docs/**/*.md"))]
    if not any(part.startswith(".") for part in page.relative_to(ROOT).parts)
    and page.name != "CHANGELOG.md"
)
SHELL = {"", "bash", "console", "sh", "text"}
# Fences of any language are matched, so that none is taken for the beginning of another.
_CODE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```|(?<!`)`([^`\n]+)`(?!`)", re.S | re.M)


def shell_lines(page: str) -> list[str]:
    """The lines of a page's code that are for a shell, those that are continued made one."""
    found = _CODE.findall(page)
    text = "\n".join(block or inline for language, block, inline in found if language in SHELL)
    return text.replace("\\\n", " ").splitlines()
