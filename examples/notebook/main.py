# /// script
# requires-python = ">=3.11"
# dependencies = ["am-helpers", "am-machine", "ipykernel>=6.29", "nbclient>=0.10", "nbformat>=5"]
#
# [tool.uv.sources]
# am-helpers = { path = "../../packages/am-helpers", editable = true }
# am-machine = { path = "../../packages/am-machine", editable = true }
# ///
"""Run the notebook as Jupyter would, in a kernel of its own, and print what its cells show."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat

if TYPE_CHECKING:
    from collections.abc import Iterator

NOTEBOOK = Path(__file__).with_name("door.ipynb")
PATIENCE = 30  # seconds for a cell


def executed() -> Any:
    """The notebook with the outputs of its cells.

    :raises nbclient.exceptions.CellExecutionError: if a cell fails.
    """
    v4: Any = nbformat  # which declares no types
    notebook = v4.read(NOTEBOOK, as_version=4)
    quiet = ["--log-level=ERROR"]  # a kernel of our own warns that others of this host can reach it
    how: dict[str, Any] = {"kernel_name": "python3", "timeout": PATIENCE, "extra_arguments": quiet}
    return nbclient.execute(notebook, **how)


def shown(notebook: Any) -> Iterator[tuple[str, str]]:
    """The title above each cell with code, and what the cell prints beside its picture."""
    title = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            title = cell.source.partition("\n")[0].lstrip("# ")
            continue
        printed = (out["text"] for out in cell.outputs if out.output_type == "stream")
        yield title, "".join(printed)


def main() -> None:
    """Print the story that the cells tell."""
    for title, text in shown(executed()):
        if text:
            print(f"{title}:", *text.splitlines(), sep="\n  ")


if __name__ == "__main__":
    main()
