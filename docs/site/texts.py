"""The docs as plain text: `llms.txt`, and one file of all pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docs.site.assemble import place
from docs.site.sources import sections, title

if TYPE_CHECKING:
    from pathlib import Path

SENTENCE = re.compile(r"^(?![#>|\-`<!\[*])(\S.+?[.:])(?:\s|$)", re.MULTILINE | re.DOTALL)


def summary(text: str) -> str:
    """The first sentence of a page's prose; empty if it has none."""
    match = SENTENCE.search(re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))
    return " ".join(match[1].split()).rstrip(":") if match else ""


def write(root: Path, site: Path) -> None:
    """Write both files beside the built site."""
    lines = ["# asyncmachine for Python", ""]
    whole: list[str] = []
    for heading, group in sections(root).items():
        lines += [f"## {heading}", ""]
        for page in group:
            text = (root / page).read_text()
            address = place(page).with_suffix(".html")
            lines.append(f"- [{title(text)}]({address}): {summary(text)}")
            whole.append(f"<!-- {page} -->\n\n{text.strip()}\n")
        lines.append("")
    lines += ["All pages in one file: [llms-full.txt](llms-full.txt)", ""]
    (site / "llms.txt").write_text("\n".join(lines))
    (site / "llms-full.txt").write_text("\n\n".join(whole))
