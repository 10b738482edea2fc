"""Pages with tables that a benchmark renews."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

_BEGIN, _END = "<!-- table: {} -->\n", "<!-- end of table -->\n"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "| --- " * len(head) + "|", *lines[1:]])


def machine(load: float) -> str:
    """Return what the figures were taken on, with its load at the start."""
    return (
        f"{os.cpu_count()} processors ({_processor()}), load {load:.1f} at the start, "
        f"Python {platform.python_version()}"
    )


def _processor() -> str:
    with open("/proc/cpuinfo") as file:
        names = [line.partition(":")[2].strip() for line in file if line.startswith("model name")]
    return names[0] if names else platform.machine()


def renew(page: Path, name: str, text: str) -> None:
    """Put `text` in the place of what a benchmark wrote into the page before, under that name."""
    mark = _BEGIN.format(name)
    head, begin, rest = page.read_text().partition(mark)
    _, end, tail = rest.partition(_END)
    assert begin, f"{page} has no place for the table {name}"
    assert end, f"the place for the table {name} in {page} does not end"
    page.write_text(f"{head}{mark}{text}\n{_END}{tail}")
