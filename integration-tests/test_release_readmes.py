"""READMEs are followed as a reader does: what they claim and does not hold is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from release.readmes import Command, Follower, blocks_of_commands, is_shown
from release.tree import packages

ROOT = Path(__file__).parent.parent
FENCE = "```"
PAGE = f"""# A page

{FENCE}python
number = 6 * 7
{FENCE}

{FENCE}python
assert number == 42
{FENCE}

{FENCE}console
python -m pip install ./packages/am-low
python program.py    # what stands above
am-low --peer otherhost:1
{FENCE}

{FENCE}console
$ cat twice.py
import sys

print(2 * int(sys.argv[1]))
$ python twice.py 4      # prints it
8
{FENCE}
"""


def follow(page: Path, text: str) -> list[str]:
    page.write_text(text)
    folder = page.with_suffix("")
    folder.mkdir()
    return Follower(page, folder, Path(sys.executable).parent).follow()


def test_commands_are_told_from_what_they_print_and_from_remarks() -> None:
    first, second = blocks_of_commands(PAGE)
    assert first == [
        Command("python program.py", None),
        Command("am-low --peer otherhost:1", None),
    ]
    assert second == [
        Command("cat twice.py", "import sys\n\nprint(2 * int(sys.argv[1]))"),
        Command("python twice.py 4", "8"),
    ]


def test_lines_come_in_any_order_and_dots_stand_for_any_text() -> None:
    assert is_shown("b\na", "a\nb")
    assert is_shown("m1  12:00  [Bar]", "m1  …  [Bar]")
    assert not is_shown("m1  12:00  [Foo]", "m1  …  [Bar]")
    assert not is_shown("a\na", "a")
    assert not is_shown("a", "a\na")
    assert is_shown("ab\nac", "…\nab")  # what is said exactly is looked for first


@pytest.mark.process
def test_a_page_is_followed_and_what_cannot_be_run_is_told(tmp_path: Path) -> None:
    left = follow(tmp_path / "page.md", PAGE)
    assert left == ["am-low --peer otherhost:1: needs another host"]


@pytest.mark.process
@pytest.mark.parametrize(
    ("right", "wrong"),
    [("== 42", "== 43"), ("\n8\n", "\n9\n"), ("python program.py", "python no-program.py")],
    ids=["a claim", "an output", "a command that fails"],
)
def test_a_page_that_is_wrong_is_found(tmp_path: Path, right: str, wrong: str) -> None:
    with pytest.raises(AssertionError):
        follow(tmp_path / "page.md", PAGE.replace(right, wrong))


def test_most_of_what_pages_print_is_run() -> None:
    pages = [
        ROOT / "README.md",
        *(package.folder / "README.md" for package in packages(ROOT).values()),
    ]
    printed = [c for page in pages for block in blocks_of_commands(page.read_text()) for c in block]
    assert len([c for c in printed if c.reason is None]) >= len(printed) / 2
