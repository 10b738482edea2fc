"""The public surface: nothing vanishes or appears unseen, and importing it costs little."""

from __future__ import annotations

from pathlib import Path

import pytest

import am_pubsub


def test_public_names_are_those_written_down() -> None:
    written = (Path(__file__).parent / "public_names.txt").read_text().split()
    assert sorted(am_pubsub.__all__) == sorted(written)


def test_public_names_say_where_they_live() -> None:
    assert am_pubsub.TopicConfig.__module__ == "am_pubsub"


@pytest.mark.parametrize(
    "wrong", [{"dial": 0}, {"links": 20}, {"batch_bytes": 0}, {"buckets": 0}, {"batch_every": 0.0}]
)
def test_numbers_that_cannot_work_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        am_pubsub.TopicConfig(**wrong)  # type: ignore[arg-type]
