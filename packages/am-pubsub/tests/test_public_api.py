"""The public surface: nothing vanishes or appears unseen, and importing it costs little."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import am_pubsub


def test_public_names_are_those_written_down() -> None:
    written = (Path(__file__).parent / "public_names.txt").read_text().split()
    assert sorted(am_pubsub.__all__) == sorted(written)


def test_public_names_say_where_they_live() -> None:
    assert am_pubsub.TopicConfig.__module__ == "am_pubsub"


@pytest.mark.process
def test_importing_the_package_imports_no_loop() -> None:
    code = "import sys, am_pubsub; print({'trio', 'am_rpc', 'msgpack'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    "wrong", [{"dial": 0}, {"links": 20}, {"batch_bytes": 0}, {"buckets": 0}, {"batch_every": 0.0}]
)
def test_numbers_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        am_pubsub.TopicConfig(**wrong)  # type: ignore[arg-type]
