"""Run every ```python block of the Markdown pages: `nox -s dev -- docs`.

Blocks of one page run in order and share a module and an empty working directory, as if a reader
typed them in. A block may `await`: it then runs under trio, five seconds long at most. Time jumps
ahead whenever all tasks sleep, except on pages with sockets, threads or processes, which the clock
of the tests cannot see. `<!-- skip: next "reason" -->` before a block leaves it out; the reasons
are counted (integration-tests/test_house_rules.py).
"""

import os
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

from docs.blocks import REAL_TIME, execute


def run(example: Example) -> None:
    """Execute one block in the module of its page."""
    page: types.ModuleType = example.namespace["page"]
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    real = bool(REAL_TIME.search(example.document.text))
    execute(source, str(example.path), page, is_real_time=real)


def open_page(namespace: dict[str, Any]) -> None:
    """Give the page a module that it takes for the main one, and a folder of its own."""
    page = types.ModuleType("__main__")
    folder = tempfile.TemporaryDirectory()
    namespace.update(page=page, folder=folder, before=(sys.modules["__main__"], Path.cwd()))
    sys.modules["__main__"] = page  # typed args look their annotations up in it
    os.chdir(folder.name)


def close_page(namespace: dict[str, Any]) -> None:
    """Undo `open_page`."""
    sys.modules["__main__"], cwd = namespace["before"]
    os.chdir(cwd)
    namespace["folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[CodeBlockParser(language="python", evaluator=run), SkipParser()],
    path=Path(__file__).anchor,  # pages are named on the command line, wherever they lie
    pattern="*.md",
    setup=open_page,
    teardown=close_page,
).pytest()
