"""Each recipe of the cookbook is run, checks what it says, and is found from the index."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from docs import page_types

from .test_manual import STRANGE

ROOT = Path(__file__).parent.parent
COOKBOOK = ROOT / "docs" / "cookbook"
PAGES = sorted(path.stem for path in COOKBOOK.glob("*.md") if path.stem != "index")
BLOCK = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def recipes(page: str) -> dict[str, str]:
    """The recipes of a page: heading and text."""
    text = (COOKBOOK / f"{page}.md").read_text()
    headings = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(headings[::2], headings[1::2], strict=True))


@pytest.mark.parametrize("page", PAGES)
def test_each_recipe_runs_and_checks_what_it_says(page: str) -> None:
    found = recipes(page)
    assert len(found) >= 5
    for heading, text in found.items():
        blocks = BLOCK.findall(text)
        assert any("assert" in block for block in blocks), heading
    assert "<!-- skip" not in (COOKBOOK / f"{page}.md").read_text()


def test_the_index_leads_to_every_recipe_in_order() -> None:
    index = (COOKBOOK / "index.md").read_text()
    listed = re.findall(r"^- \[(.*?)\]\(([\w-]+)\.md#", index, flags=re.MULTILINE)
    pages = re.findall(r"^\*\*\[.*?\]\(([\w-]+)\.md\)", index, flags=re.MULTILINE)
    assert sorted(pages) == PAGES
    assert listed == [(heading, page) for page in pages for heading in recipes(page)]


@pytest.mark.parametrize("page", PAGES)
def test_a_recipe_uses_the_words_of_the_api(page: str) -> None:
    prose = re.sub(r"^```.*?^```", "", (COOKBOOK / f"{page}.md").read_text(), flags=re.S | re.M)
    assert STRANGE.findall(prose) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "count"),
    [("docs/cookbook/ends-and-tests.md", 5), ("packages/am-helpers/docs/testing.md", 1)],
)
def test_tests_that_a_page_shows_pass_as_tests(page: str, count: int, tmp_path: Path) -> None:
    blocks = [source for _, source in page_types.blocks(ROOT / page)]
    shown = "\n\n".join(block for block in blocks if not page_types.awaits(block))
    (tmp_path / "test_shown.py").write_text(shown)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_shown.py"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.splitlines()[-1].startswith(f"{count} passed"), done.stdout
