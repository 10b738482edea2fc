"""The page of switches and instruments is what the code says, and the code reads what it says."""

import re
from pathlib import Path

import pytest

import am_telemetry
from am_telemetry._cli.main import main
from am_telemetry._cli.reference import reference
from am_telemetry._cli.switches import SWITCHES
from am_telemetry._metrics import INSTRUMENTS

SOURCE = Path(am_telemetry.__file__).parent
PAGE = Path(__file__).parents[2] / "docs" / "switches-and-instruments.md"


def test_the_page_is_what_the_command_prints(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["reference"]) == 0
    assert capfd.readouterr().out == reference()
    if not PAGE.exists():  # tests of an unpacked sdist
        pytest.skip("the pages are not here")
    assert PAGE.read_text(encoding="utf-8") == reference()


def test_every_switch_is_read_somewhere_and_every_read_one_is_in_the_table() -> None:
    code = "".join(
        path.read_text(encoding="utf-8")
        for path in SOURCE.rglob("*.py")
        if path.name not in ("switches.py", "reference.py")
    )
    read = set(re.findall(r'"(AM_[A-Z_]+[A-Z])"', code))
    table = {one.name for one in SWITCHES if one.name.startswith("AM_")}
    assert table - read == set()
    assert read - table - {"AM_LOG", "AM_DEBUG", "AM_TEST_RUNNER"} == set()


def test_every_instrument_has_a_row_of_its_own() -> None:
    rows = re.findall(r"^\| `(am\.[a-z.]+)` \|", reference(), flags=re.MULTILINE)
    assert rows == [one.name for one in INSTRUMENTS]
    assert len(set(rows)) == len(rows)
