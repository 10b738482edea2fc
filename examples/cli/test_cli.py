"""The example tells the story of its README; its exit code says how it ended."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from examples.cli.main import story

ROOT = Path(__file__).parent.parent.parent


def test_the_story_is_the_one_of_the_readme(capsys: pytest.CaptureFixture[str], told: str) -> None:
    assert trio.run(story) == 0
    assert capsys.readouterr().out == told


def test_a_sum_over_the_limit_is_a_failure_and_no_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert trio.run(story, ["7", "8", "9", "--limit", "10", "--quiet"]) == 1
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "Failed: the sum is 15"
    assert "Adding" not in out
    assert "Exception" not in out


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_disposes_the_machine_and_ends_with_its_code(number: signal.Signals) -> None:
    command = (sys.executable, "-W", "error", "-m", "examples.cli", "--quiet", "--endless")
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "press Ctrl+C\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=10)
    assert (process.returncode, err) == (130, "")
    assert re.search(r"^Interrupted: the sum is 6$", out, re.MULTILINE)
    assert out.endswith("disposed: True\n")
