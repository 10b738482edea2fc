"""Nothing of this package may leave a child process behind."""

from collections.abc import Iterator
from pathlib import Path

import pytest


def _children() -> set[int]:
    found: set[int] = set()
    for tasks in Path("/proc/self/task").glob("*/children"):
        found.update(int(pid) for pid in tasks.read_text().split())
    return found


@pytest.fixture(autouse=True)
def no_children_are_left() -> Iterator[None]:
    """Compare the children of this process before and after each test."""
    before = _children()
    yield
    assert _children() - before == set()
