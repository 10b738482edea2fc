"""What tests of histories in files share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .writer_threads import left_over

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """A file that is not there yet; in the end no thread writes to it any more."""
    yield tmp_path / "h.sqlite"
    assert left_over() == []
