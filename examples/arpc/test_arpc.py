"""The example tells the story of its README."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = Path(__file__).with_name("README.md")


@pytest.mark.process
def test_the_story_is_the_one_of_the_readme() -> None:
    match = re.search(r"```text\n(.*?)```", README.read_text(), re.DOTALL)
    assert match is not None
    done = subprocess.run(
        [sys.executable, "-m", "examples.arpc"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(match[1].splitlines())
