"""Check the types of every ```python block of the Markdown pages: `nox -s dev -- types`.

    python -m docs.page_types PAGE ...

The blocks of a page become one program, as `docs.snippets` runs them and a reader types them in.
Each keeps its line numbers, so that what basedpyright says of a line is true of the page. Where a
block awaits they stand in an async function. That a name is given anew further down, or is there
for the reader to use, is no mistake on a page.
"""

from __future__ import annotations

import ast
import inspect
import json
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

from sybil import Sybil
from sybil.parsers.markdown import CodeBlockParser

ROOT = Path(__file__).parent.parent
# In the place of the first line: that is a heading.
HEAD = "async def page() -> None:"
FORGIVEN = (
    "reportRedeclaration",
    "reportUnusedClass",
    "reportUnusedCoroutine",
    "reportUnusedExpression",
    "reportUnusedFunction",
    "reportUnusedVariable",
)


def blocks(page: Path) -> list[tuple[int, str]]:
    """Line, counted from 1, and text of each block."""
    parser = CodeBlockParser(language="python", evaluator=lambda example: None)
    examples = Sybil(parsers=[parser]).parse(page)
    return [(e.line + e.parsed.line_offset + 1, str(e.parsed)) for e in examples]


def awaits(source: str) -> bool:
    """Whether a block does at its top level what only an async function may."""
    code = compile(source, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    return bool(code.co_flags & inspect.CO_COROUTINE)


def program(page: Path) -> str:
    """The blocks of a page, each at its own lines; empty if it has none."""
    found = blocks(page)
    is_async = any(awaits(source) for _, source in found)
    lines = [HEAD] if is_async else []
    for line, source in found:
        text = textwrap.indent(source, "    ") if is_async else source
        lines += [""] * (line - len(lines) - 1) + text.splitlines()
    return "\n".join(lines) + "\n" if found else ""


def check(pages: list[Path]) -> list[str]:
    """What is wrong, a line each, as ``PAGE:LINE:COLUMN: TEXT``.

    :raises RuntimeError: if the checker itself fails, or saw nothing.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        names: dict[str, Path] = {}
        for number, page in enumerate(pages):
            if source := program(page):
                names[f"page_{number}.py"] = page
                Path(folder, f"page_{number}.py").write_text(source)
        config: dict[str, Any] = dict.fromkeys(FORGIVEN, False)
        config |= {"include": [*names], "typeCheckingMode": "strict", "pythonVersion": "3.11"}
        config |= {"extraPaths": [str(ROOT)]}
        Path(folder, "pyrightconfig.json").write_text(json.dumps(config))
        command = ("basedpyright", "--outputjson", "--pythonpath", sys.executable, "-p", name)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode not in (0, 1):
            raise RuntimeError(f"basedpyright failed:\n{done.stdout}{done.stderr}")
        told = json.loads(done.stdout)
        if told["summary"]["filesAnalyzed"] != len(names):
            raise RuntimeError(f"of {len(names)} pages it looked at {told['summary']}")
        return [_line(names[Path(item["file"]).name], item) for item in told["generalDiagnostics"]]


def _line(page: Path, item: dict[str, Any]) -> str:
    start = item["range"]["start"]
    place = f"{page}:{start['line'] + 1}:{start['character'] + 1}"
    return f"{place}: {item['message']} ({item.get('rule')})"


def main() -> int:
    """Check the pages of the command line; the exit code is 1 if anything is wrong."""
    pages = [Path(name) for name in sys.argv[1:]]
    faults = check(pages)
    print("\n".join(faults) or f"{len(pages)} pages: no fault in the types of their blocks")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
