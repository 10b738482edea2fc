"""The commands that pages of the docs print are typed in, and print what the pages show.

READMEs of the packages are followed from wheels (`nox -s readmes`), those of examples by the
examples' own tests, and the tutorial word for word (test_tutorial.py).
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docs.site.sources import ROOT, pages
from release.readmes import Follower, blocks_of_commands

COMMANDS = {
    str(page): [one for block in blocks_of_commands((ROOT / page).read_text()) for one in block]
    for page in pages(ROOT)
    if page.parts[0] in ("docs", "packages")
    and page.name not in ("README.md", "CHANGELOG.md", "tutorial.md")
}
PAGES = sorted(page for page, found in COMMANDS.items() if any(not one.reason for one in found))
# Pages whose commands look at files that their blocks wrote.
BUILT_ON = {"packages/am-helpers/docs/history.md"}
# Commands that no test can type in, page by page: they need hosts, servers or programs of the
# reader's own. `release.readmes` tells of each which.
LEFT = {
    "docs/cookbook/telemetry.md": 1,
    "docs/manual/debugging.md": 3,
    "docs/manual/tracing-and-metrics.md": 2,
    "docs/operations.md": 2,
    "packages/am-node/docs/kubernetes.md": 1,
    "packages/am-node/docs/many-machines.md": 4,
    "packages/am-telemetry/docs/dashboards.md": 3,
}


def test_few_commands_of_the_docs_are_left_out_and_it_is_known_which() -> None:
    left = {page: sum(bool(one.reason) for one in found) for page, found in COMMANDS.items()}
    assert {page: count for page, count in left.items() if count} == LEFT
    assert {"docs/cookbook/telemetry.md", "packages/am-helpers/docs/history.md"} <= {*PAGES}


@pytest.mark.process
@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_commands_of_a_page_are_typed_in(page: str, tmp_path: Path) -> None:
    follower = Follower(ROOT / page, tmp_path, Path(sys.executable).parent)
    if page in BUILT_ON:
        follower.run_blocks()
    assert len(follower.run_commands()) == LEFT.get(page, 0)
