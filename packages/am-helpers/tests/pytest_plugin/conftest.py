"""What tests of the plugin share, which run small test files within this process."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

import am_helpers as amh

if TYPE_CHECKING:
    from collections.abc import Iterator

# An inner run forgets what it was the first to import; nothing of ours may be there twice.
for name in amh.__all__:
    with suppress(ImportError):  # an extra is missing
        getattr(amh, name)


@pytest.fixture(autouse=True)
def as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No plugins that happen to be installed, which take seconds to load; nothing left behind."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    environment, logger = dict(os.environ), logging.getLogger("am_machine")
    level = logger.level
    yield
    logger.setLevel(level)
    os.environ.clear()
    os.environ.update(environment)
