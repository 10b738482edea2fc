"""The page of security names tests that exist."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def test_each_threat_names_tests_that_there_are() -> None:
    page = (PACKAGE / "docs" / "security.md").read_text()
    rows = re.findall(r"^\| (?!who |---).* \| (.*) \|$", page.partition("## Threats")[2], re.M)
    named = [re.findall(r"`(test_\w+)`", row) for row in rows]
    assert len(rows) > 10
    assert all(named)
    tests = "\n".join(path.read_text() for path in (PACKAGE / "tests").rglob("test_*.py"))
    assert not [name for names in named for name in names if f"def {name}(" not in tests]
