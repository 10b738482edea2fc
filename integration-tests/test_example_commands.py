"""The commands that the README of an example prints are typed in, and each is over within a minute.

Those that the example's own tests run as they are printed are left to the night, and so is what
makes an environment of its own (`uv run`).
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from release.readmes import INTERRUPTED, LIMIT, Follower, Staying, is_shown

from .test_examples import EXAMPLES, NAMES, SINGLE, blocks

if TYPE_CHECKING:
    from collections.abc import Iterable

PROGRAMS = Path(sys.executable).parent
# Typed in every day: the other pages have tests of their own that run what they print.
DAILY = {"arpc", "cli_daemon", "mach_template"}
# It brings layers that it does not name, as only some do.
DAILY_BY_UV = {"gossip"}
# Their own tests type it in: one command takes what another one told, or ends with another code.
# They stay until they are interrupted; what they say once they are there.
APART = {"browser": "page: http", "repl": "ready"}
# What ends with another code than 0, as its page says.
FAILING = "examples.mach_template 360 0 97", "examples/mach_template/main.py 360 0 97"
# Commands that no test can type in: they need containers, or run by nox, as `.ci/run` does.
LEFT = {"observability": 4, "worker_pool": 3}
pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture
def reader(name: str, tmp_path: Path, busy: float) -> Follower:
    """Somebody in a folder with the examples of the tree, and what belongs to them."""
    for part in ("examples", "packages", "pyproject.toml"):
        (tmp_path / part).symlink_to(EXAMPLES.parent / part)
    reader = Follower(EXAMPLES / name / "README.md", tmp_path, PROGRAMS)
    for line in FAILING:
        reader.text = reader.text.replace(line, f"{line}; test $? = 1")
    reader.text = reader.text.replace("/tmp/", f"{tmp_path}/")
    reader.limit = LIMIT * busy
    return reader


def marked(names: Iterable[str], daily: set[str]) -> list[object]:
    """All but a few of these are for the night."""
    return [pytest.param(one, marks=() if one in daily else pytest.mark.nightly) for one in names]


@pytest.mark.parametrize("name", marked(sorted({*NAMES, "observability"} - {*APART}), DAILY))
def test_commands_of_an_example_are_typed_in(name: str, reader: Follower) -> None:
    assert len(reader.run_commands()) == LEFT.get(name, 0)


@pytest.mark.parametrize("name", marked(NAMES, DAILY_BY_UV))
def test_uv_runs_an_example_from_the_tree(name: str, reader: Follower) -> None:
    # Where packages come from, and which are here already, is known to the user's own uv.
    reader.env = {**os.environ, **reader.env, "HOME": os.environ["HOME"]}
    (line,) = re.findall(r"^\$ (uv run .*?)(?:\s{2,}#.*)?$", reader.text, re.MULTILINE)
    if name in APART:
        staying = Staying(line, reader.folder, reader.env)
        staying.wait_for_a_word(APART[name], reader.limit)
        assert staying.stop() in INTERRUPTED, staying.told
        assert "closed" in staying.told
        return
    told = reader.run(line)
    if name in SINGLE:
        assert is_shown(told, blocks(name, "text")[0].strip("\n"))
