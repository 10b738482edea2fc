"""The page of comparisons counts lines of code, and has the rows that its programs give now."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.compare.lines import lines_of, rows

PAGE = Path(__file__).parent.parent / "docs" / "comparison.md"
SOURCE = '''"""A module."""

import os


# A comment.
@staticmethod
def first(
    x: int,
) -> int:
    """Says what it does.

    At length.
    """
    # Why.
    text = """one
two"""
    return x


class Second:
    """Empty."""

    name = first
'''


def test_lines_of_code_leave_out_comments_docstrings_and_what_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(SOURCE)
    assert lines_of(path, "first") == 7
    assert lines_of(path, "Second") == 2
    assert lines_of(path) == 10
    with pytest.raises(ValueError, match="defines no Third"):
        lines_of(path, "Third")


def test_the_page_has_the_lines_that_its_programs_have_now() -> None:
    page = PAGE.read_text().splitlines()
    counted = [line for line in page if line.startswith("| lines of code:")]
    assert counted == list(rows()), "renew it: nox -s compare -- --write"
    assert len(counted) == 6
