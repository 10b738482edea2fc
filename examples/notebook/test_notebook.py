"""The notebook runs in a real kernel, says what its README shows, and draws."""

from __future__ import annotations

import json
from typing import Any

import pytest

from examples.notebook.main import NOTEBOOK, executed, shown

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def notebook() -> Any:
    """What the cells show, found once for all tests."""
    return executed()


def test_the_cells_tell_the_story_of_the_readme(notebook: Any, told: str) -> None:
    parts = [
        "\n  ".join([f"{title}:", *text.splitlines()]) for title, text in shown(notebook) if text
    ]
    assert "".join(f"{part}\n" for part in parts) == told


def test_schemas_machines_explanations_and_steps_are_drawn(notebook: Any) -> None:
    drawn = [
        output["data"]["text/vnd.mermaid"].partition("\n")[0]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert drawn == ["flowchart LR", "flowchart LR", "flowchart LR", "sequenceDiagram"]


def test_it_is_kept_without_outputs() -> None:
    for cell in json.loads(NOTEBOOK.read_text())["cells"]:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
