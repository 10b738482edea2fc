"""The same work in four libraries, side by side."""

from __future__ import annotations

from typing import Any

import pytest
import scenarios
from peers import LIBRARIES, TOGGLES

QUEUED = 1_000


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("handlers", ["bare", "state", "enter and state"])
def test_toggle(measure: Any, library: str, handlers: str) -> None:
    loop = TOGGLES[library](handlers)
    if loop is None:
        pytest.skip(f"{library} has no such callback")
    measure(loop, f"toggle, {handlers}", library)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("scenario", ["rings", "pings", "readers", "creators"])
def test_scenario(measure: Any, library: str, scenario: str) -> None:
    loop = getattr(scenarios, scenario)().get(library)
    if loop is None:
        pytest.skip(f"{library} cannot do it")
    measure(loop, scenario, library)


@pytest.mark.parametrize("library", LIBRARIES)
def test_queue_of_a_thousand(measure: Any, library: str) -> None:
    loop = scenarios.queues(QUEUED).get(library)
    if loop is None:
        pytest.skip(f"{library} has no queue")
    measure(loop, "queue of 1,000", library, parts=QUEUED)
