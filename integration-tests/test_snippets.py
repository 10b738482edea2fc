"""The blocks of the pages are really run: a page that is wrong fails."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

FENCE = "```"
# What is on a page, and how each of its blocks ends.
PAGES = {
    "a later block sees the names": (("x = 1", "assert x == 1"), ["PASSED", "PASSED"]),
    "time jumps": (("import trio\nawait trio.sleep(4)",), ["PASSED"]),
    "a block that hangs": (("import trio\nawait trio.sleep_forever()",), ["FAILED"]),
    "a wrong claim": (("assert 1 == 2",), ["FAILED"]),
}


@pytest.fixture(scope="module")
def outcomes(root: Path, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """How each block ended, with the number of its page: one run plays all pages."""
    folder = tmp_path_factory.mktemp("pages")
    pages = [folder / f"{number}.md" for number in range(len(PAGES))]
    for page, (blocks, _) in zip(pages, PAGES.values(), strict=True):
        page.write_text("\n".join(f"{FENCE}python\n{block}\n{FENCE}\n" for block in blocks))
    command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "docs.snippets", *map(str, pages)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    return re.findall(r"^(PASSED|FAILED) \S*?(\d+)\.md::", done.stdout, re.MULTILINE)


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_judged_by_running_it(outcomes: list[tuple[str, str]], name: str) -> None:
    number = str([*PAGES].index(name))
    assert [ending for ending, page in outcomes if page == number] == PAGES[name][1]
