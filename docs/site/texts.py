"""The docs as plain text: `llms.txt`, and one file of all pages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docs.site.assemble import REFERENCE, place
from docs.site.sources import LAYERS, sections, title

if TYPE_CHECKING:
    from pathlib import Path

FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
NO_PROSE = re.compile(r"[#>|!<-]|\*(?!\*)|\d+\. ")  # headings, tables, pictures, lists
LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
SENTENCE = re.compile(r".+?[.?!](?=\s+[A-Z`\"]|$)", re.DOTALL)


def summary(text: str) -> str:
    """The first sentence of a page's first paragraph; empty if it has none."""
    prose = COMMENT.sub("", FENCE.sub("\n\n", text))
    for paragraph in re.split(r"\n\s*\n", prose):
        plain = " ".join(LINK.sub(r"\1", paragraph).split())
        if plain and not NO_PROSE.match(plain):
            match = SENTENCE.match(plain)
            return (match[0] if match else plain).replace("**", "").rstrip(":")
    return ""


def write(root: Path, site: Path) -> None:
    """Write both files beside the built site."""
    lines = ["# asyncmachine for Python", "", f"> {summary((root / 'README.md').read_text())}", ""]
    whole: list[str] = []
    for heading, group in sections(root).items():
        lines += [f"## {heading}", ""]
        for page in group:
            text = (root / page).read_text()
            address = place(page).with_suffix(".html")
            what = f": {told}" if (told := summary(text)) else ""
            lines.append(f"- [{title(text)}]({address}){what}")
            whole.append(f"<!-- {page} -->\n\n{text.strip()}\n")
        if heading == "Reference":
            for layer in LAYERS:
                address = REFERENCE / f"am-{layer}.html"
                lines.append(f"- [am-{layer}]({address}): its public names, with signatures")
        lines.append("")
    lines += ["All pages in one file: [llms-full.txt](llms-full.txt)", ""]
    (site / "llms.txt").write_text("\n".join(lines))
    (site / "llms-full.txt").write_text("\n\n".join(whole))
