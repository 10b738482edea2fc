"""Run every ```python block of the Markdown pages: `nox -s dev -- docs`.

Blocks of one page run in order and share a module and an empty working directory, as if a reader
typed them in. A block may `await`: it then runs under trio, five seconds long at most. Time jumps
ahead whenever all tasks sleep, except on pages with sockets, threads or processes, which the clock
of the tests cannot see. `<!-- skip: next "reason" -->` before a block leaves it out; the reasons
are counted (integration-tests/test_house_rules.py).
"""

import ast
import inspect
import os
import re
import sys
import tempfile
import types
from pathlib import Path
from typing import Any

import trio
import trio.testing
from sybil import Example, Sybil
from sybil.evaluators.python import pad
from sybil.parsers.markdown import CodeBlockParser, SkipParser

LIMIT = 5.0  # seconds for one awaiting block
REAL_TIME = re.compile(
    r"\b(am_rpc|am_node|socket|subprocess|threading|to_thread|when_fn|open_process)\b"
)


def run(example: Example) -> None:
    """Execute one block in the module of its page."""
    page: types.ModuleType = example.namespace["page"]
    source = pad(example.parsed, example.line + example.parsed.line_offset)
    code = compile(source, example.path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    if not code.co_flags & inspect.CO_COROUTINE:
        exec(code, page.__dict__)
        return

    async def limited() -> None:
        with trio.fail_after(LIMIT):
            await eval(code, page.__dict__)

    real = REAL_TIME.search(example.document.text)
    trio.run(limited, clock=None if real else trio.testing.MockClock(autojump_threshold=0))


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
