"""A small run of the smallest trees, and the arithmetic of age."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from examples.benchmark_state_source.chart import chart
from examples.benchmark_state_source.main import age

ROOT = Path(__file__).parents[2]


@pytest.mark.process
@pytest.mark.slow
def test_the_table_has_the_form_of_the_readme(told: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "examples/benchmark_state_source/main.py",
         "--seconds", "0.2", "--trees", "1", "1+2", "--write", str(tmp_path / "results")],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    rows = "".join(line for line in told.splitlines(True)[:3])
    pattern = re.sub(r" +\d+", r" +\\d+", re.escape(rows).replace("\\ ", " "))
    assert re.fullmatch(pattern, done.stdout), done.stdout
    table = (tmp_path / "results" / "state_source.md").read_text()
    assert [line.split(" | ")[0] for line in table.splitlines()[2:]] == ["| 1", "| 1+2"]
    picture = ElementTree.parse(tmp_path / "results" / "state_source.svg").getroot()
    assert "1+2" in {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((10.0, 7), 0.0),  # nothing newer is known
        ((10.0, 5), 1000.0),  # a change of a second ago is missing
        ((10.0, 1), 3000.0),  # the first of those that are missing counts
        ((8.5, 5), 0.0),  # the change came after the answer
    ],
)
def test_an_answer_is_as_old_as_the_first_change_that_it_lacks(
    answer: tuple[float, int], expected: float
) -> None:
    changes = [(3, 7.0), (5, 8.0), (7, 9.0)]
    assert age(answer, changes) == expected


def test_the_longest_bar_is_that_of_most_requests() -> None:
    picture = ElementTree.fromstring(chart([("1", 50, 1.0), ("1+2", 100, 2.0)]))
    bars = [float(bar.get("width", "")) for bar in picture.iter() if bar.get("fill") == "#0b62a4"]
    assert bars[1] == 2 * bars[0]
