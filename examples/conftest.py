"""What the tests of the examples share."""

from __future__ import annotations

import re

import pytest
from hypothesis import settings

# Machines differ in speed, so no example has a deadline.
settings.register_profile("house", deadline=None)
settings.load_profile("house")


@pytest.fixture
def told(request: pytest.FixtureRequest) -> str:
    """The output that the README beside a test promises."""
    readme = request.path.with_name("README.md").read_text()
    match = re.search(r"^```text\n(.*?)^```", readme, re.DOTALL | re.MULTILINE)
    assert match is not None, "the README shows no output"
    return match[1]
