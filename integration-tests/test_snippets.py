"""The blocks of the pages are really run: a page that is wrong fails."""

import subprocess
import sys
from pathlib import Path

import pytest

FENCE = "```"


def outcome(root: Path, page: Path, *blocks: str) -> str:
    """The closing line of pytest for a page made of these blocks."""
    page.write_text("\n".join(f"{FENCE}python\n{block}\n{FENCE}\n" for block in blocks))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "docs.snippets", str(page)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (("x = 1", "assert x == 1"), "2 passed"),
        (("import trio\nawait trio.sleep(4)",), "1 passed"),
        (("import trio\nawait trio.sleep_forever()",), "1 failed"),
        (("assert 1 == 2",), "1 failed"),
    ],
    ids=["a later block sees the names", "time jumps", "a block that hangs", "a wrong claim"],
)
def test_a_page_is_judged_by_running_it(
    root: Path, tmp_path: Path, blocks: tuple[str, ...], expected: str
) -> None:
    assert outcome(root, tmp_path / "page.md", *blocks).startswith(expected)
